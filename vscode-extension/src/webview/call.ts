/** The form of a call: a field for each argument of the function, or one for JSON where there is no schema. */

import { entryOf, fieldsOf, filled, meant, read, shown, wrongArguments, type Entries, type Entry, type Field } from '../form';
import type { Json, ShownForm } from '../protocol';
import { button, make } from './elements';

/** A field as it is drawn. */
interface Drawn {
  one: Field;
  /** What it is called: an item of a list has the list's name and its number. */
  label: string;
  entry: Entry;
  put: (entry: Entry) => void;
  id: string;
  path: string;
}

export class CallForm {
  private chosen = 0;
  private fields: Field[] | undefined;
  private entries: Entries = {};
  private wrong: Record<string, string> = {};

  constructor(
    private readonly form: ShownForm,
    private readonly call: (fun: string | undefined, values: Json) => void,
    private readonly redraw: () => void,
  ) {
    this.choose(0);
  }

  /** Is it this one, be it filled in by now? */
  asks(form: ShownForm): boolean {
    return JSON.stringify(form) === JSON.stringify(this.form);
  }

  private choose(index: number): void {
    this.chosen = index;
    const { schema, last } = this.form.functions[index] ?? {};
    this.fields = fieldsOf(schema);
    this.entries = this.fields ? filled(this.fields, last) : { '': JSON.stringify(last ?? {}) };
    this.wrong = {};
  }

  draw(busy: boolean): HTMLElement {
    const all = make('form', { novalidate: '', 'aria-label': `Call ${this.form.name}` });
    if (this.form.functions.length > 1) {
      all.append(this.functions());
    }
    if (this.fields) {
      all.append(...this.group(this.fields, this.entries, 'argument', ''));
    } else {
      const put = (entry: Entry): void => void (this.entries[''] = entry);
      const about = 'JSON: an object by name, or a list by position; {} for none';
      const id = 'argument-0';
      all.append(this.row({ label: 'arguments', id, path: '' }, about, this.area(id, this.entries[''], put)));
    }
    const run = button('Run', () => undefined, { id: 'run', class: 'first', type: 'submit', ...(busy ? { disabled: '' } : {}) });
    all.append(make('p', {}, run));
    all.addEventListener('submit', (event) => {
      event.preventDefault();
      this.submit();
    });
    return all;
  }

  private functions(): HTMLElement {
    const select = make('select', { id: 'function' });
    this.form.functions.forEach((one, i) => select.append(make('option', { value: String(i), ...(i === this.chosen ? { selected: '' } : {}) }, one.name)));
    select.addEventListener('change', () => {
      this.choose(Number(select.value));
      this.again('function');
    });
    return make('div', { class: 'field' }, make('label', { for: 'function' }, 'function'), select);
  }

  private again(focus: string): void {
    this.redraw();
    document.getElementById(focus)?.focus();
  }

  private group(form: Field[], entries: Entries, id: string, path: string): HTMLElement[] {
    return form.map((one, i) => this.field({ one, label: one.name, entry: entries[one.name], put: (entry) => void (entries[one.name] = entry), id: `${id}-${i}`, path: `${path}/${one.name}` }));
  }

  private row({ label, id, path }: Pick<Drawn, 'label' | 'id' | 'path'>, about: string, input: HTMLElement, ...beside: HTMLElement[]): HTMLElement {
    input.setAttribute('aria-describedby', `${id}-about`);
    const row = make('div', { class: 'field' }, make('label', { for: id }, label), make('div', { class: 'input' }, input, ...beside), make('span', { class: 'about', id: `${id}-about` }, about));
    const wrong = this.wrong[path];
    if (wrong !== undefined) {
      input.setAttribute('aria-invalid', 'true');
      input.setAttribute('aria-describedby', `${id}-about ${id}-wrong`);
      const words = make('span', { class: 'wrong', role: 'alert', id: `${id}-wrong` }, wrong);
      row.append(words);
      // Once it is written anew, nobody knows.
      input.addEventListener('input', () => {
        this.wrong = Object.fromEntries(Object.entries(this.wrong).filter(([one]) => one !== path));
        words.remove();
        input.removeAttribute('aria-invalid');
        input.setAttribute('aria-describedby', `${id}-about`);
      });
    }
    return row;
  }

  private field(drawn: Drawn, ...beside: HTMLElement[]): HTMLElement {
    const { one, entry, put, id } = drawn;
    if (one.kind === 'group' || one.kind === 'list') {
      return this.set(drawn, beside);
    }
    const text = typeof entry === 'string' ? entry : '';
    let input: HTMLElement;
    if (one.kind === 'flag') {
      const box = make('input', { type: 'checkbox', id, ...(text === 'true' ? { checked: '' } : {}) });
      box.addEventListener('change', () => put(String(box.checked)));
      input = box;
    } else if (one.kind === 'choice') {
      const select = make('select', { id });
      const choices = [...(one.required && !one.nullable ? [] : ['']), ...one.choices.map((choice) => JSON.stringify(choice))];
      choices.forEach((choice) => select.append(make('option', { value: choice, ...(choice === text ? { selected: '' } : {}) }, choice === '' ? '' : shown(JSON.parse(choice) as Json))));
      put(select.value);
      select.addEventListener('change', () => put(select.value));
      input = select;
    } else if (one.kind === 'integer' || one.kind === 'number') {
      const line = make('input', { type: 'text', id, inputmode: one.kind === 'integer' ? 'numeric' : 'decimal', value: text });
      line.addEventListener('input', () => put(line.value));
      input = line;
    } else {
      input = this.area(id, text, put);
    }
    return this.row(drawn, one.about, input, ...beside);
  }

  /** A group or a list: its fields, or all of it as JSON, or nothing where it is left out. */
  private set(drawn: Drawn, beside: HTMLElement[]): HTMLElement {
    const { one, label, entry, put, id, path } = drawn;
    const all = make('fieldset', { id }, make('legend', {}, label));
    const tools = make('p', { class: 'tools' });
    if (!one.required || one.nullable) {
      const box = make('input', { type: 'checkbox', id: `${id}-given`, ...(entry === undefined ? {} : { checked: '' }) });
      box.addEventListener('change', () => {
        put(box.checked ? entryOf({ ...one, required: true, nullable: false }, undefined) : undefined);
        this.again(box.id);
      });
      tools.append(make('label', {}, box, one.nullable && one.required ? 'give it, else null' : 'give it'));
    }
    if (entry !== undefined) {
      tools.append(this.asJson(drawn));
    }
    tools.append(...beside);
    all.append(tools);
    if (typeof entry === 'string') {
      all.append(this.row({ label: 'JSON', id: `${id}-text`, path }, one.kind === 'list' ? 'a JSON list' : 'a JSON object', this.area(`${id}-text`, entry, put)));
    } else if (Array.isArray(entry)) {
      all.append(...this.items(drawn, entry));
    } else if (entry) {
      all.append(...this.group(one.parts, entry, id, path));
    }
    return all;
  }

  /** Turns fields into JSON, to paste or to copy, and back. */
  private asJson({ one, label, entry, put, id, path }: Drawn): HTMLElement {
    const text = typeof entry === 'string';
    const turn = (): void => {
      const wrong: Record<string, string> = {};
      const value = meant(one, entry, path, wrong);
      this.wrong = wrong;
      if (Object.keys(wrong).length === 0) {
        put(text ? entryOf({ ...one, required: true, nullable: false }, value, Infinity) : JSON.stringify(value));
      }
      this.again(`${id}-json`);
    };
    return button(text ? 'As Fields' : 'As JSON', turn, { id: `${id}-json`, 'aria-label': `${label} as ${text ? 'fields' : 'JSON'}` });
  }

  private items({ one, label, id, path }: Drawn, entries: Entry[]): HTMLElement[] {
    const [item] = one.parts;
    if (!item) {
      return [];
    }
    const rows = entries.map((entry, i) => {
      const name = `${label} ${i + 1}`;
      const remove = button('Remove', () => {
        entries.splice(i, 1);
        this.wrong = {};
        this.again(`${id}-add`);
      }, { id: `${id}-${i}-remove`, 'aria-label': `Remove ${name}` });
      return this.field({ one: item, label: name, entry, put: (value) => void (entries[i] = value), id: `${id}-${i}`, path: `${path}/${i}` }, remove);
    });
    const add = button('Add', () => {
      entries.push(entryOf(item, undefined));
      this.again(`${id}-${entries.length - 1}`);
    }, { id: `${id}-add`, 'aria-label': `Add to ${label}` });
    return [...rows, make('p', {}, add)];
  }

  /** A text of several lines; Enter sends, Shift+Enter makes a new one. */
  private area(id: string, entry: Entry, put: (entry: Entry) => void): HTMLElement {
    const text = typeof entry === 'string' ? entry : '';
    const area = make('textarea', { id, rows: String(Math.min(12, text.split('\n').length)), spellcheck: 'false' });
    area.value = text;
    area.addEventListener('input', () => {
      put(area.value);
      area.rows = Math.min(12, area.value.split('\n').length);
    });
    area.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        area.form?.requestSubmit();
      }
    });
    return area;
  }

  private submit(): void {
    const fun = this.form.functions.length > 1 ? this.form.functions[this.chosen]?.name : undefined;
    if (this.fields) {
      const given = read(this.fields, this.entries);
      this.wrong = 'wrong' in given ? given.wrong : {};
      if ('values' in given) {
        this.call(fun, given.values);
        return;
      }
    } else {
      const entry = this.entries[''];
      const text = typeof entry === 'string' ? entry : '';
      const problem = wrongArguments(text);
      this.wrong = problem === undefined ? {} : { '': problem };
      if (problem === undefined) {
        this.call(fun, JSON.parse(text) as Json);
        return;
      }
    }
    this.redraw();
    document.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }
}
