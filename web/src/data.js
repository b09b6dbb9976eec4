// Data come as scripts, which a page may load also when it is opened from disk.
// Each calls groundshift(key, base64 of raw deflate).

const waiting = new Map();
const running = new Map();

window.groundshift = (key, text) => {
  waiting.get(key)?.(text);
  waiting.delete(key);
};

/** Bytes of a chunk of data, by its key; asked for twice at a time it comes once. */
export function load(key) {
  if (!running.has(key)) running.set(key, fetchChunk(key).finally(() => running.delete(key)));
  return running.get(key);
}

async function fetchChunk(key) {
  const text = await new Promise((resolve, reject) => {
    waiting.set(key, resolve);
    const script = document.createElement("script");
    script.src = `data/${key}.js`;
    script.onload = () => script.remove();
    script.onerror = () => reject(new Error(`data/${key}.js can't be loaded`));
    document.head.append(script);
  });
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** A JSON document, by its key. */
export async function loadJson(key) {
  return JSON.parse(new TextDecoder().decode(await load(key)));
}

/** A cache that fetches what is asked for, tells when it came, and forgets what is old. */
export class Cache {
  #entries = new Map();

  constructor(fetch, size, arrived) {
    this.fetch = fetch;
    this.size = size;
    this.arrived = arrived;
  }

  /** The value, or undefined as long as it is on its way. */
  get(key) {
    const entry = this.#entries.get(key) ?? this.#start(key);
    this.#entries.delete(key);
    this.#entries.set(key, entry); // now the youngest
    return entry.value;
  }

  #start(key) {
    const entry = { value: undefined };
    this.fetch(key).then(
      (value) => {
        entry.value = value;
        this.arrived(key);
      },
      (error) => console.warn(error.message),
    );
    while (this.#entries.size >= this.size) this.#entries.delete(this.#entries.keys().next().value);
    return entry;
  }
}
