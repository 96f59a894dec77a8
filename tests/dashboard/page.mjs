// As much of a page as is needed: elements with text, attributes, marked parts and listeners.

/** An element with these parts, each found by its `data-field`. */
export function part(...names) {
  const parts = Object.fromEntries(names.map((name) => [name, Object.assign(part(), { dataset: { field: name } })]));
  const attributes = new Map();
  return Object.assign(new EventTarget(), {
    parts,
    textContent: '',
    hidden: false,
    firstElementChild: null,
    querySelectorAll: () => Object.values(parts),
    hasAttribute: (name) => attributes.has(name),
    getAttribute: (name) => attributes.get(name) ?? null,
    setAttribute: (name, value) => attributes.set(name, value),
    removeAttribute: (name) => attributes.delete(name),
    focus() {
      this.focused = true;
    },
  });
}

/** A page below a base path. */
export function page() {
  globalThis.document = { baseURI: 'http://box/base/', title: '' };
}

/** A server with these answers in turn, each `[status, body, headers]`; tells what it was asked. */
export function server(...answers) {
  const asked = [];
  globalThis.fetch = async (url, { method = 'GET', headers, body } = {}) => {
    asked.push([method, String(url).replace('http://box/base/', ''), headers?.['X-CSRF-Token'] ?? body].filter(Boolean).join(' '));
    const answer = answers.shift();
    if (!answer) throw new TypeError('network error');
    return new Response(JSON.stringify(answer[1]), { status: answer[0], headers: answer[2] });
  };
  return asked;
}

/** What was awaited comes. */
export const settle = () => new Promise(setImmediate);
