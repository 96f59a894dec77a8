// As much of a page as the panels' heads need: elements with text, attributes and marked parts.

/** An element with these parts, each found by its `data-field`. */
export function part(...names) {
  const parts = Object.fromEntries(names.map((name) => [name, Object.assign(part(), { dataset: { field: name } })]));
  const attributes = new Map();
  return {
    parts,
    textContent: '',
    hidden: false,
    firstElementChild: null,
    querySelectorAll: () => Object.values(parts),
    hasAttribute: (name) => attributes.has(name),
    getAttribute: (name) => attributes.get(name) ?? null,
    setAttribute: (name, value) => attributes.set(name, value),
    removeAttribute: (name) => attributes.delete(name),
  };
}

/** A page below a base path. */
export function page() {
  globalThis.document = { baseURI: 'http://box/base/', title: '' };
}
