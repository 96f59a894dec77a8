// One container's row in the table.
//
// It is written to only where something changed: two hundred of them must not make a phone warm.

import { fields, setAttribute, setIcon, setPill, setText, setValue, stamp } from './dom.js';
import { figuresOf } from './container-figures.js';
import { noteOf } from './container-problems.js';
import { stateOf } from './container-list.js';

export function createRow() {
  const row = stamp('container');
  row.parts = fields(row);
  return row;
}

/** `told` is `{missing, now, operation?, lines}`: see container-figures.js, operations.js, container-trails.js. */
export function updateRow(row, one, { missing, now, operation, lines }) {
  const { cpuLine, memoryLine } = row.parts;
  setAttribute(cpuLine, 'd', lines.cpu);
  setAttribute(memoryLine, 'd', lines.memory);
  const figures = figuresOf(one, missing, now);
  figures.up.short = figures.up.text?.split(' ')[0];
  // Compared as a whole first: most rows say what they said before.
  const said = JSON.stringify([one, figures, operation]);
  if (row.said === said) return;
  row.said = said;
  row.one = one;
  writeRow(row.parts, one, figures, operation);
}

function writeRow(parts, one, { cpu, memory, network, up }, operation) {
  const { name, state, image } = parts;
  setValue(name, one.name || undefined, 'This container has no name.', titleOf(one));
  const { kind, word } = stateOf(one);
  setPill(state, operation?.doing ? 'idle' : kind, operation?.doing ?? word, one.status);
  writeNote(parts, operation?.state === 'error' ? operation : noteOf(one));
  setValue(image, shortImage(one.image), 'Its image is not known.', one.image);
  for (const [field, figure] of Object.entries({ cpu, memory, network })) setValue(parts[field], figure.text, figure.why, figure.title);
  setValue(parts.up, up.short, up.why, up.text);
}

function writeNote({ note, noteIcon, noteText }, found) {
  note.hidden = !found;
  if (!found) return;
  setAttribute(note, 'data-kind', found.kind);
  setIcon(noteIcon, found.kind);
  setText(noteText, found.text);
  setAttribute(note, 'title', found.text);
}

/** Without the registry's address: what tells images apart stands at the end. */
const shortImage = (image) => image?.replace(/^[^/]*[.:][^/]*\//, '') || undefined;

/** All that doesn't fit into the row. */
function titleOf({ name, status, ports, project, service }) {
  return [name, status, ports?.join(', '), project && `project ${project}`, service && `service ${service}`].filter(Boolean).join('\n');
}
