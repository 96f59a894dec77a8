// The dashboard's own index.html as far as its modules use one: elements with parts, templates, rows that
// come and go. So that what a module looks for is what the page has.

import { readFileSync } from 'node:fs';

const html = readFileSync(new URL('../../assets/index.html', import.meta.url), 'utf8');

const VOID = ['meta', 'link', 'input'];

class Element extends EventTarget {
  children = [];
  text = '';
  value = '';
  style = {};

  constructor(tag, attributes = new Map()) {
    super();
    Object.assign(this, { tag, attributes });
    const names = () => (this.getAttribute('class') ?? '').split(' ').filter(Boolean);
    const toggle = (name, on) => this.setAttribute('class', [...names().filter((one) => one !== name), ...(on ? [name] : [])].join(' '));
    this.classList = { toggle, contains: (name) => names().includes(name) };
  }

  get dataset() {
    return Object.fromEntries([...this.attributes].filter(([name]) => name.startsWith('data-')).map(([name, value]) => [name.slice(5), value]));
  }

  get hidden() {
    return this.attributes.has('hidden');
  }

  set hidden(hidden) {
    if (hidden) this.attributes.set('hidden', '');
    else this.attributes.delete('hidden');
  }

  get textContent() {
    return this.text + this.children.map((child) => child.textContent).join('');
  }

  set textContent(text) {
    for (const child of [...this.children]) child.remove();
    this.text = text;
  }

  get content() {
    return this;
  }

  get firstElementChild() {
    return this.children[0] ?? null;
  }

  get parentElement() {
    return this.parent ?? null;
  }

  get nextElementSibling() {
    return this.parent.children[this.parent.children.indexOf(this) + 1] ?? null;
  }

  hasAttribute(name) {
    return this.attributes.has(name);
  }

  getAttribute(name) {
    return this.attributes.get(name) ?? null;
  }

  setAttribute(name, value) {
    this.attributes.set(name, String(value));
  }

  removeAttribute(name) {
    this.attributes.delete(name);
  }

  get lastElementChild() {
    return this.children.at(-1) ?? null;
  }

  get open() {
    return this.attributes.has('open');
  }

  showModal() {
    this.attributes.set('open', '');
  }

  /** As in a browser, who listens hears of it a moment later. */
  close() {
    if (this.attributes.delete('open')) queueMicrotask(() => this.dispatchEvent(new Event('close')));
  }

  replaceChildren() {
    this.textContent = '';
  }

  focus() {}

  insertBefore(child, place) {
    child.remove();
    this.children.splice(place ? this.children.indexOf(place) : this.children.length, 0, child);
    child.parent = this;
  }

  remove() {
    this.parent?.children.splice(this.parent.children.indexOf(this), 1);
    this.parent = undefined;
  }

  cloneNode() {
    const copy = new Element(this.tag, new Map(this.attributes));
    copy.text = this.text;
    for (const child of this.children) copy.insertBefore(child.cloneNode(), null);
    return copy;
  }

  *all() {
    for (const child of this.children) {
      yield child;
      // What is in a template is not in the page.
      if (child.tag !== 'template') yield* child.all();
    }
  }

  /** Knows `[attribute]`, `#id` and names of elements. */
  querySelectorAll(selector) {
    const attribute = /^\[([\w-]+)\]$/.exec(selector)?.[1];
    const id = /^#(\S+)$/.exec(selector)?.[1];
    const is = (one) => (attribute ? one.hasAttribute(attribute) : id ? one.getAttribute('id') === id : one.tag === selector);
    return [...this.all()].filter(is);
  }

  /** Knows `[attribute=value]`, `.class`, and names of elements, of which the last one counts. */
  closest(selector) {
    const [, attribute, value] = /^\[([\w-]+)=(\S+)\]$/.exec(selector) ?? [];
    const name = /^\.(\S+)$/.exec(selector)?.[1];
    const is = (one) => (attribute ? one.getAttribute(attribute) === value : name ? one.classList.contains(name) : one.tag === selector.split(' ').at(-1));
    return is(this) ? this : (this.parent?.closest(selector) ?? null);
  }

  /** What can be read: nothing that is hidden. */
  get visible() {
    if (this.hidden) return '';
    return [this.text, ...this.children.map((child) => child.visible)].filter(Boolean).join(' ').replaceAll('\u00a0', ' ');
  }

  click() {
    this.happens('click');
  }

  /** Something happens to this element, and so to those around it. */
  happens(type) {
    const event = Object.defineProperty(new Event(type, { cancelable: true }), 'target', { value: this });
    for (let one = this; one; one = one.parent) one.dispatchEvent(event);
  }
}

function parse(text) {
  const root = new Element('root');
  let open = root;
  for (const [, close, tag, attributes, ends, words] of text.replace(/<!.*?>/gs, '').matchAll(/<(\/?)([\w]+)((?:\s+[\w-]+(?:="[^"]*")?)*)\s*(\/?)>|([^<]+)/g)) {
    if (words !== undefined) {
      if (words.trim() !== '') open.text += words.trim();
    } else if (close) {
      if (open.tag !== tag) throw new Error(`</${tag}> ends <${open.tag}>`);
      open = open.parent;
    } else {
      const pairs = [...attributes.matchAll(/([\w-]+)(?:="([^"]*)")?/g)].map(([, name, value]) => [name, value ?? '']);
      const element = new Element(tag, new Map(pairs));
      open.insertBefore(element, null);
      if (!ends && !VOID.includes(tag)) open = element;
    }
  }
  if (open !== root) throw new Error(`<${open.tag}> does not end`);
  return root;
}

/** Puts a fresh page in place, and answers how to find an element of it by its id. */
export function document() {
  const root = parse(html);
  const getElementById = (id) => root.querySelectorAll(`#${id}`)[0] ?? null;
  globalThis.document = { baseURI: 'http://box/base/', title: '', getElementById };
  return getElementById;
}

/** The rows of an element that follows a list, as they can be read. */
export const lines = (element) => element.children.map((child) => child.visible);
