// The card that shows what the TAK server tells of its inside, one block for each server.

import { Panel } from './panel.js';
import { fields, follow, setAttribute, setPill, setText, setValue, stamp } from './dom.js';
import { figures } from './inside-figures.js';

/** The columns of the inputs' table that not every server fills. */
const OPTIONAL = ['place', 'clients', 'messages', 'received'];

export class InsidePanel extends Panel {
  /** Takes `[{name, inside}]`; the names are shown when there are several. */
  show(servers, several) {
    follow(this.parts.blocks, servers, ({ name }) => name, createBlock, (block, { name, inside }) => {
      const { name: head, facts, bars, inputBox, linkBox, links } = block.parts;
      const found = figures(inside);
      head.hidden = !several;
      setText(head, name || 'This machine');
      facts.hidden = found.facts.length === 0;
      follow(facts, found.facts, (fact) => fact.name, () => create('fact'), updateFact);
      bars.hidden = found.bars.length === 0;
      follow(bars, found.bars, (bar) => bar.name, () => create('gauge'), updateBar);
      inputBox.hidden = found.inputs.length === 0;
      showInputs(block.parts, found.inputs);
      linkBox.hidden = found.links.length === 0;
      follow(links, found.links, (link) => link.name, () => create('link'), updateLink);
    });
  }
}

function create(id) {
  const row = stamp(id);
  row.parts = fields(row);
  return row;
}

function createBlock() {
  return create('server-inside');
}

function showInputs({ inputs, ...parts }, found) {
  const absent = OPTIONAL.filter((column) => found.every((input) => input[column] === undefined));
  for (const column of OPTIONAL) parts[`${column}Head`].hidden = absent.includes(column);
  follow(inputs, found, (input) => `${input.name} ${input.place}`, () => create('input'), (row, input) => {
    setText(row.parts.name, input.name);
    setAttribute(row.parts.name, 'title', [input.name, input.place].filter(Boolean).join('\n'));
    for (const column of OPTIONAL) {
      row.parts[column].hidden = absent.includes(column);
      setValue(row.parts[column], input[column], 'The server does not tell it; rates need two readings.');
    }
  });
}

function updateFact(row, { name, value, kind, title }) {
  setText(row.parts.name, name);
  setValue(row.parts.value, value, undefined, title);
  setAttribute(row, 'data-kind', kind);
}

function updateBar(row, { name, value, share, kind }) {
  setText(row.parts.name, name);
  setText(row.parts.value, value);
  // The style object, not a style attribute: the page's policy allows no inline style.
  row.parts.fill.style.width = `${share}%`;
  setAttribute(row, 'data-kind', kind);
}

function updateLink(row, { name, kind, word, message }) {
  setText(row.parts.name, name);
  setPill(row.parts.pill, kind, word);
  setText(row.parts.message, message);
}
