// The certificates: how long each of them lasts, the one that ends first on top.
//
// A certificate folder holds those of all users, also of those who left years ago. They are listed, but
// they never stand in front of the server's own.

import { fields, follow, setAttribute, setPill, setText, stamp } from './dom.js';
import { countdown, day } from './format.js';
import { certificateRole } from './words.js';
import { seenAt } from './places.js';

/** Days before the end from which on a certificate is always shown; and how many are, whatever they say. */
const SOON_DAYS = 90;
const ALWAYS = 3;

/** As many users' certificates are shown among them, at most. */
const FILES = 3;

/** A user's certificate that ended longer ago is not coming back. */
const PAST_DAYS = -30;

const isFile = ({ role }) => role === 'file';
const endOf = ({ days_left: left }) => (Number.isFinite(left) ? left : Infinity);
const isPast = (one) => isFile(one) && endOf(one) < PAST_DAYS;

/** In the order shown: what ends first comes first; users' follow, those that ended long ago last. Pure. */
export function ordered(certificates) {
  const rank = (one) => (isPast(one) ? 2 : isFile(one) ? 1 : 0);
  const by = (a, b) => (endOf(a) === endOf(b) ? 0 : endOf(a) - endOf(b));
  return [...certificates].sort((a, b) => rank(a) - rank(b) || by(a, b));
}

/** Those of an ordered list that are shown without being asked for. Pure. */
export function pressing(all) {
  let files = 0;
  return all.filter((one, index) => {
    const soon = endOf(one) <= SOON_DAYS && !isPast(one) && !(isFile(one) && files >= FILES);
    if (!soon && index >= ALWAYS) return false;
    if (isFile(one)) files++;
    return true;
  });
}

/** How bad a certificate's end is; that of one user is never bad for all. Pure. */
export function kindOf(certificate) {
  const left = certificate.days_left;
  if (!Number.isFinite(left)) return 'unknown';
  if (isFile(certificate)) return 'idle';
  if (left <= 7) return 'bad';
  return left <= 30 ? 'warning' : 'ok';
}

/** The list in the TAK panel, with its button. */
export class Certificates {
  #parts;
  #all = [];
  #whole = false;

  constructor(parts, signal) {
    this.#parts = parts;
    const toggle = () => {
      this.#whole = !this.#whole;
      this.#draw();
    };
    parts.allCertificates.addEventListener('click', toggle, { signal });
  }

  show(certificates, hidden) {
    this.#all = ordered(certificates ?? []);
    this.#parts.certificateBox.hidden = hidden && this.#all.length === 0;
    this.#parts.none.hidden = this.#all.length > 0;
    this.#draw();
  }

  #draw() {
    const { certificates, allCertificates: button } = this.#parts;
    const few = pressing(this.#all);
    const shown = this.#whole ? this.#all : few;
    follow(certificates, shown, keyOf, createRow, updateRow);
    button.hidden = few.length === this.#all.length;
    setText(button, this.#whole ? 'Show fewer' : `Show all ${this.#all.length}`);
    setAttribute(button, 'aria-expanded', String(this.#whole));
  }
}

const keyOf = ({ server, role, subject, source }) => `${server} ${role} ${subject} ${source}`;

function createRow() {
  const row = stamp('certificate');
  row.parts = fields(row);
  return row;
}

function updateRow(row, certificate) {
  const { server, role, subject, issuer, not_after: end, days_left: left, source, also } = certificate;
  const parts = row.parts;
  const where = seenAt([source, ...(also ?? [])]);
  const signed = issuer === subject ? 'self-signed' : issuer && `signed by ${issuer}`;
  setAttribute(row, 'data-role', role);
  setText(parts.subject, subject || 'without a subject');
  setText(parts.where, [certificateRole(role), server, where, signed].filter(Boolean).join(' · '));
  setAttribute(parts.where, 'title', [source, ...(also ?? [])].filter(Boolean).join('\n'));
  setPill(parts.pill, kindOf(certificate), countdown(left) ?? '–', end ? `until ${day(end)}` : 'Its end is not known.');
}
