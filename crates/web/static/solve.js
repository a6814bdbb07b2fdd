// Solves a form's challenge (ALTCHA version 2) beside the page, while the person types. Without this script the form still goes: its
// sender then gets a place in the waiting line.
const box = document.querySelector("[data-challenge]");
const form = box && box.closest("form");
const WORKERS_MAX = 4;
const MARGIN_S = 10;

if (form && globalThis.Worker && crypto.subtle) {
  const field = box.querySelector("input[name=challenge]");
  const bar = box.querySelector("progress");
  const line = box.querySelector("[role=status]");
  let solving = null;
  let expires = 0;

  const say = (word, part) => {
    box.hidden = false;
    line.textContent = line.dataset[word];
    bar.value = part;
  };

  const solve = async () => {
    say("working", 0);
    const answer = await fetch(box.dataset.challenge, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const challenge = await answer.json();
    const count = Math.max(1, Math.min(WORKERS_MAX, (navigator.hardwareConcurrency || 2) >> 1));
    const workers = Array.from({ length: count }, () => new Worker(box.dataset.worker, { type: "module" }));
    try {
      const tried = new Array(count).fill(0);
      // Nobody knows how many tries it takes; the most is known, and the bar never says that it is done before it is.
      const most = Number(box.dataset.tries);
      const solution = await new Promise((resolve, reject) => {
        workers.forEach((worker, index) => {
          worker.onerror = () => reject(new Error("worker"));
          worker.onmessage = ({ data }) => {
            tried[index] = data.tried;
            bar.value = Math.min(0.95, tried.reduce((sum, one) => sum + one, 0) / most);
            if (data.solution) resolve(data.solution);
          };
          worker.postMessage({ parameters: challenge.parameters, start: index, step: count });
        });
      });
      field.value = btoa(JSON.stringify({ challenge, solution }));
      expires = challenge.parameters.expiresAt;
      say("done", 1);
    } finally {
      workers.forEach((worker) => worker.terminate());
    }
  };

  const begin = () => {
    const isGood = field.value && expires - MARGIN_S > Date.now() / 1000;
    if (!solving && !isGood) {
      field.value = "";
      solving = solve().finally(() => (solving = null));
      solving.catch(() => say("failed", 0));
    }
    return solving;
  };

  form.addEventListener("focusin", begin);
  form.addEventListener("submit", (event) => {
    const waits = begin();
    if (!waits) return;
    event.preventDefault();
    waits.catch(() => {}).then(() => form.submit());
  });
}
