// The few things every panel does to the page.
//
// Text from the wire only ever becomes text: nothing here, or anywhere else, parses HTML. And the
// page is written to only where something changed, so that two hundred containers cost little.

/** The parts of an element that are marked with `data-field`, by name. */
export function fields(root) {
  const found = {};
  for (const part of root.querySelectorAll('[data-field]')) found[part.dataset.field] = part;
  return found;
}

/** Sets an element's text, if it is another one. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets or takes away an attribute, if that changes anything. */
export function setAttribute(element, name, value) {
  if (value === undefined || value === '') {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== value) {
    element.setAttribute(name, value);
  }
}

/** Shows a figure, or a dash and the reason why it is not known. */
export function setValue(element, text, whyUnknown, title) {
  const unknown = text === undefined;
  setText(element, unknown ? '–' : text);
  element.classList.toggle('unknown', unknown);
  setAttribute(element, 'title', unknown ? whyUnknown : title);
}

/** Shows a state as a word and an icon, in the colour that goes with it. */
export function setPill(element, kind, word, title) {
  const { icon, word: label } = fields(element);
  setText(label, word);
  setIcon(icon, kind);
  setAttribute(element, 'title', title);
  setAttribute(element, 'data-kind', kind);
}

/** Points an `<svg><use>` at the icon of a kind: ok, warning, bad, unknown or idle. */
export function setIcon(icon, kind) {
  setAttribute(icon.firstElementChild, 'href', `#icon-${kind}`);
}

/** A copy of a `<template>`'s only element. */
export function stamp(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** A line under a table or above a strip: a kind, what it is about, and what is said of it. */
export function createReason() {
  const row = stamp('reason');
  row.parts = fields(row);
  return row;
}

export function updateReason(row, { kind, name, message }) {
  setAttribute(row, 'data-kind', kind);
  setIcon(row.parts.icon, kind);
  setText(row.parts.name, name);
  setText(row.parts.message, message ?? '');
}

const rowsOf = new WeakMap();

/**
 * Makes the children of `parent` follow `items`: a row stays the same element as long as its key
 * does. Children marked `data-fixed` stay first.
 */
export function follow(parent, items, keyOf, create, update) {
  const old = rowsOf.get(parent) ?? new Map();
  const rows = new Map();
  for (const item of items) {
    let key = String(keyOf(item));
    while (rows.has(key)) key += '+'; // Two of a name are two rows.
    rows.set(key, { row: old.get(key)?.row ?? create(item), item });
  }
  for (const [key, { row }] of old) if (!rows.has(key)) row.remove();
  let place = parent.firstElementChild;
  while (place?.hasAttribute('data-fixed')) place = place.nextElementSibling;
  for (const { row, item } of rows.values()) {
    if (row === place) place = place.nextElementSibling;
    else parent.insertBefore(row, place);
    update(row, item);
  }
  rowsOf.set(parent, rows);
}
