// Passkeys: asks our server what to ask the browser, asks the browser, shows our server the answer. Without it a page works by codes.
// A form says by data-passkey what its hidden button is for: "sign-in", "second" (after the password) or "add".

const available = window.PublicKeyCredential !== undefined && typeof PublicKeyCredential.parseRequestOptionsFromJSON === "function";

async function post(path, value) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(value),
    credentials: "same-origin",
  });
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

async function signIn(form) {
  const half = form.elements.half?.value;
  const begun = await post("/api/v1/sessions/passkey/start", half ? { half } : {});
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(begun.options.publicKey);
  const answer = await navigator.credentials.get({ publicKey });
  await post("/api/v1/sessions/passkey", { state: begun.state, answer: answer.toJSON(), ...(half ? { half } : {}) });
  const next = form.elements.next?.value || "/";
  location.assign(next.startsWith("/") && !next.startsWith("//") ? next : "/");
}

async function add(form) {
  const begun = await post("/api/v1/factors/passkey/start", { password: form.elements.password?.value ?? "" });
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(begun.options.publicKey);
  const answer = await navigator.credentials.create({ publicKey });
  const added = await post("/api/v1/factors/passkey", { state: begun.state, answer: answer.toJSON(), name: "" });
  if (added.recovery_codes.length === 0) return location.assign("/security");
  showCodes(form, added.recovery_codes);
}

// Shown once, here: the page that is loaded next does not know them.
function showCodes(form, codes) {
  const list = document.createElement("ol");
  list.className = "codes";
  for (const code of codes) {
    const item = list.appendChild(document.createElement("li"));
    item.appendChild(document.createElement("code")).textContent = code;
  }
  const template = document.querySelector("template[data-codes]");
  const box = template.content.firstElementChild.cloneNode(true);
  box.querySelector("[data-list]").replaceWith(list);
  form.replaceWith(box);
  box.focus();
}

for (const form of available ? document.querySelectorAll("form[data-passkey]") : []) {
  const button = form.querySelector("button[type=button]");
  const error = form.querySelector("p.error[hidden]");
  if (!button) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    if (error) error.hidden = true;
    try {
      await (form.dataset.passkey === "add" ? add(form) : signIn(form));
    } catch {
      if (error) error.hidden = false;
    } finally {
      button.disabled = false;
    }
  });
}
