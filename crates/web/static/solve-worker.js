// Tries counters until the derived key begins as asked: PBKDF2, the only algorithm that is asked for here.
const REPORT_EVERY = 20;
const bytes = (hex) => Uint8Array.from(hex.match(/../g) || [], (pair) => parseInt(pair, 16));
const text = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

self.onmessage = async ({ data: { parameters, start, step } }) => {
  const [name, hash] = parameters.algorithm.split("/");
  if (name !== "PBKDF2") throw new Error(parameters.algorithm);
  const derivation = { name, hash, salt: bytes(parameters.salt), iterations: parameters.cost };
  const nonce = bytes(parameters.nonce);
  const password = new Uint8Array(nonce.length + 4);
  password.set(nonce);
  const view = new DataView(password.buffer);
  for (let counter = start, tried = 1; ; counter += step, tried += 1) {
    view.setUint32(nonce.length, counter);
    const key = await crypto.subtle.importKey("raw", password, name, false, ["deriveBits"]);
    const derivedKey = text(await crypto.subtle.deriveBits(derivation, key, parameters.keyLength * 8));
    if (derivedKey.startsWith(parameters.keyPrefix)) {
      self.postMessage({ tried, solution: { counter, derivedKey } });
      return;
    }
    if (tried % REPORT_EVERY === 0) self.postMessage({ tried });
  }
};
