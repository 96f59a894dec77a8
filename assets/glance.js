// The first card: what is wrong, worst first, or "All well" once all have spoken. The page's title and icon say the same,
// so that a tab in the background is enough to see it.

import { follow, fields, setAttribute, setIcon, setText, stamp } from './dom.js';
import { count, span, timeOfDay } from './format.js';

/** More sentences than these nobody reads; they are counted instead. */
const SHOWN = 8;

const ICONS = { bad: 'favicon-bad.svg', warning: 'favicon-warning.svg' };

export class Glance {
  #card;
  #parts;
  #said = '';

  constructor(card, icon) {
    this.#card = card;
    this.#parts = fields(card);
    this.icon = icon;
  }

  /** Shows dated problems; `calm` is what may be said when there are none (see expected.js). */
  show({ problems, calm, node, now }) {
    const { list, well, waiting, waitingFor, more, spoken } = this.#parts;
    const none = problems.length === 0;
    const worst = problems[0]?.severity;
    const shown = problems.slice(0, SHOWN);
    follow(list, shown, (problem) => problem.key, createRow, (row, problem) => updateRow(row, problem, now));
    waiting.hidden = !none || calm.kind === 'ok';
    well.hidden = !none || calm.kind !== 'ok';
    setText(waitingFor, calm.text);
    more.hidden = problems.length <= SHOWN;
    setText(more, more.hidden ? '' : `And ${problems.length - SHOWN} more: see below.`);
    setAttribute(this.#card, 'data-worst', worst ?? calm.kind);

    const verdict = none ? calm.word : verdictOf(problems);
    const title = [verdict, node, 'takpulse'].filter(Boolean).join(' · ');
    if (document.title !== title) document.title = title;
    // Without a connection there is no other icon to be had; the title says enough.
    if (problems[0]?.key !== 'connection') setAttribute(this.icon, 'href', ICONS[worst] ?? 'favicon.svg');

    // Read out when a problem comes or goes; not each time that a figure in a sentence changes.
    const keys = none ? calm.text : problems.map((problem) => problem.key).join('\n');
    if (keys === this.#said) return;
    this.#said = keys;
    const sentences = shown.map(({ what, detail }) => [what, detail].filter(Boolean).join(' '));
    setText(spoken, none ? calm.text : [verdict, ...sentences].join('. '));
  }
}

function verdictOf(problems) {
  return problems[0].key === 'connection' ? 'No connection' : count(problems.length, 'problem');
}

function createRow() {
  const row = stamp('problem');
  row.parts = fields(row);
  return row;
}

function updateRow(row, { severity, what, detail, since, exact }, now) {
  const { icon, word, what: subject, detail: rest, when } = row.parts;
  setAttribute(row, 'data-kind', severity);
  setIcon(icon, severity);
  setText(word, severity === 'bad' ? 'Problem:' : 'Warning:');
  setText(subject, what);
  setText(rest, detail ?? '');
  const seconds = now !== undefined && since !== undefined ? Math.max(0, now - since) : undefined;
  // "For over 4 s" of a problem that was there when the page opened would say nothing.
  const told = seconds !== undefined && (exact || seconds >= 60);
  setText(when, told ? `for ${exact ? '' : 'over '}${span(seconds)}` : '');
  setAttribute(when, 'title', told && exact ? `since ${timeOfDay(since)}` : undefined);
}
