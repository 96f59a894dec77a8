// Which machine the page shows. With one machine, the customary case, it is just a name; behind a
// shared bus it is a choice that also tells where there are problems.

import { fields, follow, setText } from './dom.js';
import { count } from './format.js';

export class NodePicker {
  #parts;

  /** The machine that is shown; the first one heard of until somebody chooses. */
  node;

  constructor(element, { onPick, signal }) {
    this.#parts = fields(element);
    const { choice } = this.#parts;
    const pick = () => {
      this.node = choice.value;
      onPick();
    };
    choice.addEventListener('change', pick, { signal });
  }

  /** Takes the machines that have been heard of: `[{node, problems}]`. */
  show(machines) {
    this.node ??= machines[0]?.node;
    const { name, label, choice } = this.#parts;
    const one = machines.length < 2;
    name.hidden = !one;
    label.hidden = one;
    setText(name, this.node ?? '');
    name.title = this.node ?? '';
    if (one) return;
    follow(choice, machines, (machine) => machine.node, createOption, updateOption);
    if (choice.value !== this.node) choice.value = this.node;
  }
}

function createOption({ node }) {
  const option = document.createElement('option');
  option.value = node;
  return option;
}

function updateOption(option, { node, problems }) {
  setText(option, problems === 0 ? node : `${node}, ${count(problems, 'problem')}`);
}
