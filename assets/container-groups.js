// The table's groups: a heading for each Compose project, which folds it away.

import { fields, follow, setAttribute, setIcon, setText, stamp } from './dom.js';
import { listed } from './format.js';
import { summarise } from './container-list.js';
import { createRow, updateRow } from './container-row.js';

/**
 * Draws `[{name, containers}]` into the table. `folded` answers whether a group is, `tell(container)` is what a row
 * needs beside its container.
 */
export function showGroups(table, groups, { headed, folded, tell }) {
  follow(table, groups, ({ name }) => name, createGroup, (body, { name, containers }) => {
    const closed = headed && folded(name);
    body.head.hidden = !headed;
    if (headed) updateHead(body, name, containers, closed);
    follow(body, closed ? [] : containers, ({ id }) => id, createRow, (row, one) => updateRow(row, one, tell(one)));
  });
}

/**
 * The name of the group whose heading this element of the table is in, if it is in one. The table's listener
 * asks: a group outlives the panel that made it, where a page comes back from the browser's cache.
 */
export const headingAt = (element) => element.closest('[data-field=fold]')?.closest('tbody').group;

function createGroup() {
  const body = stamp('group');
  body.parts = fields(body);
  body.head = body.firstElementChild;
  return body;
}

function updateHead(body, name, containers, closed) {
  const { fold, name: label, icon, sum } = body.parts;
  const parts = summarise(containers);
  body.group = name;
  setText(label, name || 'without a project');
  setAttribute(fold, 'title', name);
  setAttribute(fold, 'aria-expanded', String(!closed));
  setText(sum, listed(parts.map(({ word }) => word)));
  // What is well needs no mark.
  const [{ kind }] = parts;
  const wrong = ['bad', 'warning'].includes(kind);
  icon.hidden = !wrong;
  if (wrong) setIcon(icon, kind);
  setAttribute(fold, 'data-kind', wrong ? kind : undefined);
}
