// Solves a form's challenge (ALTCHA version 2) beside the page, while the person types. Where this cannot run (no script, or an address
// that browsers do not compute for), what stands below the challenge is done instead: a place in the waiting line.
const box = document.querySelector("[data-challenge]");
const form = box && box.closest("form");
const WORKERS_MAX = 4;
const MARGIN_S = 10;

if (form && globalThis.Worker && globalThis.crypto && crypto.subtle) {
  const field = box.querySelector("input[name=challenge]");
  const bar = box.querySelector("progress");
  const line = box.querySelector("[role=status]");
  const otherwise = form.querySelector("[data-otherwise]");
  // A registration without a solution gets a place in the line; other forms have a button for that.
  const goesWithout = !form.querySelector("button[name=wait]");
  let solving = null;
  let expires = 0;
  let isHeld = false;
  let isGoing = false;

  otherwise.hidden = true;

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

  // The solving that goes on; null if there is a solution that still holds.
  const begin = () => {
    const isGood = field.value && expires - MARGIN_S > Date.now() / 1000;
    if (!solving && !isGood) {
      field.value = "";
      solving = solve().finally(() => (solving = null));
      solving.catch(() => {
        say("failed", 0);
        otherwise.hidden = false;
        isGoing = goesWithout;
      });
    }
    return solving;
  };

  form.addEventListener("focusin", () => isGoing || begin());
  form.addEventListener("submit", (event) => {
    const sender = event.submitter;
    if (isGoing || (sender && sender.name === "wait")) return;
    const waits = begin();
    if (!waits) return;
    event.preventDefault();
    if (isHeld) return;
    isHeld = true;
    const go = () => form.requestSubmit(sender);
    waits.then(go, () => {}).finally(() => (isHeld = false));
  });
  // A page that is gone back to holds a solution that was spent.
  addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    isGoing = false;
    field.value = "";
  });
}
