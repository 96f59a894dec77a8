// The rows of a log on the page.

import { moment, streamWord } from './log-line.js';
import { setText, stamp } from './dom.js';

/** So many rows share a block: what is out of sight is laid out by the block, which costs next to nothing. */
const BLOCK = 250;

/** Adds a row for each line, and answers the rows. */
export function appendLines(lines, fresh) {
  const rows = fresh.map(createLine);
  let block = lines.lastElementChild;
  // Of those that have been laid out by now the height is known.
  for (let full = block?.previousElementSibling; full && !full.className; full = full.previousElementSibling) full.className = 'full';
  for (const row of rows) {
    if (!block || block.rows >= BLOCK) {
      block = Object.assign(document.createElement('div'), { rows: 0 });
      lines.append(block);
    }
    block.append(row);
    block.rows += 1;
  }
  return rows;
}

/** Takes away so many of the first rows. */
export function removeLines(lines, number) {
  for (let left = number; left > 0; ) {
    const block = lines.firstElementChild;
    const some = Math.min(left, block.rows);
    if (some === block.rows) block.remove();
    else for (let row = 0; row < some; row++) block.firstElementChild.remove();
    block.rows -= some;
    left -= some;
  }
}

function createLine(line) {
  const row = stamp('log-line');
  const [at, from, text] = row.children;
  row.line = line;
  setText(text, line.note ?? String(line.text));
  if (line.note) {
    row.classList.add('gap');
    return row;
  }
  const { time, utc } = moment(line.timestamp);
  at.textContent = time;
  if (utc) at.title = utc;
  from.textContent = streamWord(line.stream);
  row.dataset.stream = line.stream;
  return row;
}
