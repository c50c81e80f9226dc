/** The form of a call: a field for each argument of the function, or one for JSON where there is no schema. */

import { fieldsOf, filled, read, shown, wrongArguments, type Field } from '../form';
import type { Json, ShownForm } from '../protocol';
import { button, make } from './elements';

export class CallForm {
  private chosen = 0;
  private fields: Field[] | undefined;
  private texts: Record<string, string> = {};
  private wrong: Record<string, string> = {};

  constructor(
    private readonly form: ShownForm,
    private readonly call: (fun: string | undefined, values: Json) => void,
    private readonly redraw: () => void,
  ) {
    this.choose(0);
  }

  private choose(index: number): void {
    this.chosen = index;
    const { schema, last } = this.form.functions[index] ?? {};
    this.fields = fieldsOf(schema);
    this.texts = this.fields ? filled(this.fields, last) : { '': JSON.stringify(last ?? {}) };
    this.wrong = {};
  }

  draw(busy: boolean): HTMLElement {
    const all = make('form', { novalidate: '', 'aria-label': `Call ${this.form.name}` });
    if (this.form.functions.length > 1) {
      all.append(this.functions());
    }
    if (this.fields) {
      this.fields.forEach((one, i) => all.append(this.field(one, `argument-${i}`)));
    } else {
      all.append(this.row('arguments', '', 'JSON: an object by name, or a list by position; {} for none', this.area('argument-0', '')));
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
      this.redraw();
      document.getElementById('function')?.focus();
    });
    return make('div', { class: 'field' }, make('label', { for: 'function' }, 'function'), select);
  }

  private row(label: string, name: string, about: string, input: HTMLElement): HTMLElement {
    const wrong = this.wrong[name];
    input.setAttribute('aria-describedby', `${input.id}-about`);
    const row = make('div', { class: 'field' }, make('label', { for: input.id }, label), input, make('span', { class: 'about', id: `${input.id}-about` }, about));
    if (wrong !== undefined) {
      input.setAttribute('aria-invalid', 'true');
      input.setAttribute('aria-describedby', `${input.id}-about ${input.id}-wrong`);
      row.append(make('span', { class: 'wrong', role: 'alert', id: `${input.id}-wrong` }, wrong));
    }
    return row;
  }

  private field(one: Field, id: string): HTMLElement {
    const text = this.texts[one.name] ?? '';
    const keep = (value: string): void => void (this.texts[one.name] = value);
    let input: HTMLElement;
    if (one.kind === 'flag') {
      const box = make('input', { type: 'checkbox', id, ...(text === 'true' ? { checked: '' } : {}) });
      box.addEventListener('change', () => keep(String(box.checked)));
      input = box;
    } else if (one.kind === 'choice') {
      const select = make('select', { id });
      const choices = [...(one.required ? [] : ['']), ...one.choices.map(shown)];
      choices.forEach((choice) => select.append(make('option', { value: choice, ...(choice === text ? { selected: '' } : {}) }, choice)));
      keep(select.value);
      select.addEventListener('change', () => keep(select.value));
      input = select;
    } else if (one.kind === 'integer' || one.kind === 'number') {
      const line = make('input', { type: 'text', id, inputmode: one.kind === 'integer' ? 'numeric' : 'decimal', value: text });
      line.addEventListener('input', () => keep(line.value));
      input = line;
    } else {
      input = this.area(id, one.name);
    }
    return this.row(one.name, one.name, one.about, input);
  }

  /** A text of several lines; Enter sends, Shift+Enter makes a new one. */
  private area(id: string, name: string): HTMLElement {
    const text = this.texts[name] ?? '';
    const area = make('textarea', { id, rows: String(Math.min(12, text.split('\n').length)), spellcheck: 'false' });
    area.value = text;
    area.addEventListener('input', () => {
      this.texts[name] = area.value;
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
      const given = read(this.fields, this.texts);
      this.wrong = 'wrong' in given ? given.wrong : {};
      if ('values' in given) {
        this.call(fun, given.values);
        return;
      }
    } else {
      const text = this.texts[''] ?? '';
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
