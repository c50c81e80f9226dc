/** The preview's page: the IR as text, the declaration as a picture, the last result. Text only, never markup. */

import { appsOf, picture, print } from '../ir';
import type { Findings, FromPage, ShownForm, ShownResult, ToPage, WorkloadIr } from '../protocol';
import { button, make } from './elements';
import { counted } from '../results';
import { CallForm } from './call';

declare function acquireVsCodeApi(): { postMessage(message: FromPage): void; getState(): unknown; setState(state: unknown): void };

const editor = acquireVsCodeApi();
const root = document.getElementById('page') ?? document.body;

/** The rule about an argument that is missing. */
const MISSING = 'MVM004';

type Tab = 'ir' | 'picture' | 'run';
const TABS: Record<Tab, string> = { ir: 'IR', picture: 'Picture', run: 'Run' };

interface View {
  uri: string;
  file: string;
  answer: WorkloadIr | undefined;
  gone: string;
  findings: Findings | undefined;
  result: ShownResult | undefined;
  form: CallForm | undefined;
  /** What runs now. */
  running: string | undefined;
  tab: Tab;
  /** The workload that is shown, and the app of it where it is only one of several. */
  chosen: number;
  app: number | undefined;
  pointer: string | undefined;
}

const kept = editor.getState() as { uri?: string; tab?: Tab; chosen?: number; app?: number } | undefined;
const view: View = { uri: kept?.uri ?? '', file: '', answer: undefined, gone: '', findings: undefined, result: undefined, form: undefined, running: undefined, tab: kept?.tab ?? 'ir', chosen: kept?.chosen ?? 0, app: kept?.app, pointer: undefined };

/** What can be looked at by itself: a workload, or one of several apps in it. */
interface Choice {
  workload: number;
  app: number | undefined;
  name: string;
}

function choicesOf(answer: WorkloadIr): Choice[] {
  return answer.workloads.flatMap((workload, i) => {
    const apps = appsOf(workload).map((name, k) => ({ workload: i, app: k, name: `${workload.id}: ${name}` }));
    return [{ workload: i, app: undefined, name: workload.id }, ...(apps.length > 1 ? apps : [])];
  });
}

function header(answer: WorkloadIr): HTMLElement {
  const workload = answer.workloads[view.chosen];
  const top = make('header', {}, make('h1', {}, view.file));
  const choices = choicesOf(answer);
  if (choices.length > 1) {
    const select = make('select', { 'aria-label': 'Workload', id: 'workload' });
    choices.forEach((one, i) => {
      const chosen = one.workload === view.chosen && one.app === view.app;
      select.append(make('option', { value: String(i), ...(chosen ? { selected: '' } : {}) }, one.name));
    });
    select.addEventListener('change', () => choose(choices[Number(select.value)]));
    top.append(select);
  }
  if (workload) {
    const hash = workload.irHash.slice(0, 12);
    top.append(button(hash, () => editor.postMessage({ type: 'copy', text: workload.irHash }), { class: 'hash', title: `IR hash ${workload.irHash}: click to copy`, 'aria-label': `Copy the IR hash ${hash}` }));
  }
  const { errors, warnings } = view.findings ?? { errors: answer.problems.length, warnings: 0 };
  const kind = errors > 0 ? 'wrong' : warnings > 0 ? 'odd' : 'fine';
  top.append(button(counted(errors, warnings), () => editor.postMessage({ type: 'problems' }), { class: kind, id: 'problems', title: 'Show them in Problems' }));
  if (workload && !workload.complete) {
    top.append(missing(answer));
  }
  return top;
}

/** What keeps a workload from being built: what is missing, else what is wrong first. */
function missing(answer: WorkloadIr): HTMLElement {
  const absent = answer.problems.filter((one) => one.code === MISSING);
  const named = (absent.length > 0 ? absent : answer.problems).slice(0, 3);
  const words = make('div', { class: 'wrong', role: 'status' }, named.length > 0 ? 'incomplete, cannot be built:' : 'incomplete, cannot be built');
  named.forEach((one) => words.append(button(one.message, () => editor.postMessage({ type: 'place', range: one.range }), { class: 'part line', title: `Go to ${one.code}` })));
  return words;
}

function tabs(): HTMLElement {
  const names = (Object.keys(TABS) as Tab[]).filter((tab) => tab !== 'run' || mayRun());
  const list = make('div', { role: 'tablist', 'aria-label': 'Views' });
  for (const tab of names) {
    const selected = tab === view.tab;
    list.append(button(TABS[tab], () => turn(tab), { role: 'tab', id: `tab-${tab}`, 'aria-selected': String(selected), 'aria-controls': 'panel', tabindex: selected ? '0' : '-1' }));
  }
  list.addEventListener('keydown', (event) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    const next = names[(names.indexOf(view.tab) + step + names.length) % names.length];
    if (step !== 0 && next) {
      turn(next);
      document.getElementById(`tab-${next}`)?.focus();
    }
  });
  return list;
}

/** The IR: a list whose current line is moved with the arrow keys and followed with Enter. */
function text(answer: WorkloadIr): HTMLElement {
  const workload = answer.workloads[view.chosen];
  if (!workload) {
    return make('p', {}, 'Nothing is declared here. Decorate a function with @mvm.app(…).');
  }
  const list = make('div', { role: 'listbox', class: 'ir', tabindex: '0', 'aria-label': 'Workload IR' });
  print(workload.ir).forEach((line, i) => {
    const option = make('div', { role: 'option', id: `line-${i}`, 'aria-selected': 'false' });
    option.dataset['pointer'] = line.pointer;
    highlight(option, line.text);
    option.addEventListener('click', () => follow(line.pointer));
    list.append(option);
  });
  list.addEventListener('keydown', (event) => {
    const at = Number(list.getAttribute('aria-activedescendant')?.slice(5) ?? -1);
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      select(list, Math.max(0, Math.min(list.children.length - 1, at + (event.key === 'ArrowDown' ? 1 : -1))));
    } else if (event.key === 'Enter') {
      follow((list.children[at] as HTMLElement | undefined)?.dataset['pointer'] ?? '');
    }
  });
  return list;
}

const TOKEN = /("(?:[^"\\]|\\.)*")(:?)|\b(true|false|null)\b|(-?\d+(?:\.\d+)?)/g;

function highlight(into: HTMLElement, line: string): void {
  let at = 0;
  for (const match of line.matchAll(TOKEN)) {
    into.append(line.slice(at, match.index));
    const kind = match[1] === undefined ? (match[3] === undefined ? 'number' : 'word') : match[2] ? 'key' : 'string';
    into.append(make('span', { class: kind }, match[0]));
    at = match.index + match[0].length;
  }
  into.append(line.slice(at) || (at === 0 ? ' ' : ''));
}

function select(list: Element, line: number): void {
  list.querySelector('[aria-selected="true"]')?.setAttribute('aria-selected', 'false');
  const chosen = list.children[line];
  chosen?.setAttribute('aria-selected', 'true');
  chosen?.scrollIntoView({ block: 'nearest' });
  list.setAttribute('aria-activedescendant', `line-${line}`);
}

const marked = (risks: string[]): HTMLElement[] => risks.map((risk) => make('span', { class: 'risk' }, `⚠ ${risk}`));

function drawn(answer: WorkloadIr): HTMLElement {
  const workload = answer.workloads[view.chosen];
  const all = make('div', { class: 'picture' });
  const apps = workload ? picture(workload, view.findings?.risks ?? answer.problems) : [];
  for (const app of apps.filter((_, i) => view.app === undefined || i === view.app)) {
    const flow = make('ol', { class: 'flow', 'aria-label': `${app.name}, from source to network` });
    for (const box of app.boxes) {
      const parts = make('dl');
      for (const part of box.parts) {
        const value = make('dd', {}, button(part.value, () => follow(part.pointer), { class: 'part', title: `Go to ${part.label}` }));
        value.append(...marked(part.risks));
        parts.append(make('dt', {}, part.label), value);
      }
      const risky = box.risks.length > 0 || box.parts.some((part) => part.risks.length > 0);
      flow.append(make('li', { class: risky ? 'box risky' : 'box' }, make('h3', {}, box.title), ...marked(box.risks), parts));
    }
    all.append(make('section', {}, make('h2', {}, app.name), ...marked(app.risks), flow));
  }
  return all;
}

const mayRun = (): boolean => view.form !== undefined || view.result !== undefined || view.running !== undefined;

/** The form of a call, what runs, and how it ended. */
function run(): HTMLElement {
  const { form, running, result } = view;
  const all = make('div', { class: 'run' });
  if (form) {
    all.append(form.draw(running !== undefined));
  }
  if (running !== undefined) {
    const stop = button('Cancel', () => editor.postMessage({ type: 'stop', name: running }), { id: 'cancel' });
    all.append(make('p', { role: 'status' }, `${running} is under way… `, stop));
  } else if (result) {
    all.append(outcome(result));
  }
  return all;
}

function outcome(result: ShownResult): HTMLElement {
  const words = make('p', { class: result.success ? 'fine' : 'wrong', role: 'status' }, result.summary);
  const copy = button('Copy', () => editor.postMessage({ type: 'copy', text: result.body || result.summary }), { id: 'copy' });
  const again = button('Run Again', () => editor.postMessage({ type: 'again', name: result.name }), { id: 'again' });
  const body = result.body === '' ? [] : [make('pre', { tabindex: '0', role: 'region', 'aria-label': 'Result', id: 'result' }, result.body)];
  return make('section', { 'aria-label': 'Result of the last run' }, words, ...body, make('p', {}, copy, ' ', again));
}

/** There is no server, or not yet. */
function absent(): HTMLElement[] {
  if (view.gone === '') {
    return [make('h1', {}, 'Workload IR'), make('p', { role: 'status' }, 'Waiting for the server…')];
  }
  const restart = button('Restart the Server', () => editor.postMessage({ type: 'restart' }), { class: 'first', id: 'restart' });
  return [make('h1', {}, 'Workload IR'), make('p', { class: 'wrong', role: 'alert' }, view.gone), make('p', {}, restart)];
}

function draw(): void {
  if (view.gone !== '' || !view.answer) {
    root.replaceChildren(...absent());
    return;
  }
  view.chosen = Math.min(view.chosen, Math.max(0, view.answer.workloads.length - 1));
  const workload = view.answer.workloads[view.chosen];
  if (view.app !== undefined && !(workload && view.app < appsOf(workload).length)) {
    view.app = undefined;
  }
  if (view.tab === 'run' && !mayRun()) {
    view.tab = 'ir';
  }
  const content = view.tab === 'ir' ? text(view.answer) : view.tab === 'picture' ? drawn(view.answer) : run();
  const scrolled = document.querySelector('.ir')?.scrollTop ?? 0;
  const focused = document.activeElement?.id;
  root.replaceChildren(make('div', { class: 'top' }, header(view.answer), tabs()), make('div', { role: 'tabpanel', id: 'panel', 'aria-labelledby': `tab-${view.tab}` }, content));
  document.querySelector('.ir')?.scrollTo({ top: scrolled });
  if (focused) {
    document.getElementById(focused)?.focus();
  }
  mark();
}

/** Marks the value that the cursor is in. */
function mark(): void {
  const list = document.querySelector('.ir');
  if (!list || view.pointer === undefined) {
    return;
  }
  const lines = [...list.children] as HTMLElement[];
  for (let pointer = view.pointer; ; pointer = pointer.slice(0, pointer.lastIndexOf('/'))) {
    const line = lines.findIndex((one) => one.dataset['pointer'] === pointer);
    if (line >= 0) {
      select(list, line);
      return;
    }
    if (pointer === '') {
      return;
    }
  }
}

/** The app that a value belongs to. */
function appAt(pointer: string): number | undefined {
  const at = /^\/apps\/(\d+)/.exec(pointer)?.[1];
  return at === undefined ? undefined : Number(at);
}

function follow(pointer: string): void {
  editor.postMessage({ type: 'open', workload: view.chosen, pointer });
}

/** What is needed to be the same page again: when it is shown again, or the window is reloaded. */
function remember(): void {
  editor.setState({ uri: view.uri, tab: view.tab, chosen: view.chosen, app: view.app });
}

function keep(): void {
  remember();
  draw();
}

function turn(tab: Tab): void {
  view.tab = tab;
  keep();
}

function choose(choice: Choice | undefined): void {
  view.chosen = choice?.workload ?? 0;
  view.app = choice?.app;
  view.pointer = view.app === undefined ? undefined : `/apps/${view.app}`;
  keep();
}

function form(shown: ShownForm, focus: boolean): void {
  // The one that is there may have been written in: it stays, and what was asked for anew has the values given last.
  if (!view.form || (focus && !view.form.asks(shown))) {
    view.form = new CallForm(shown, (fun, values) => editor.postMessage({ type: 'call', name: shown.name, function: fun, arguments: values }), draw);
    draw();
  }
  if (focus && view.tab !== 'run') {
    turn('run');
  }
  if (focus && !document.activeElement?.closest('form')) {
    document.querySelector<HTMLElement>('form input, form textarea, form select, form button')?.focus();
  }
}

window.addEventListener('message', ({ data }: MessageEvent<ToPage>) => {
  switch (data.type) {
    case 'ir':
      if (data.file !== view.file) {
        Object.assign(view, { result: undefined, form: undefined, running: undefined, findings: undefined, app: view.file === '' ? view.app : undefined, pointer: undefined });
      }
      Object.assign(view, { uri: data.uri, file: data.file, answer: data.answer, gone: '' });
      remember();
      draw();
      break;
    case 'gone':
      view.gone = data.reason;
      draw();
      break;
    case 'findings': {
      const { errors, warnings, risks } = data;
      const findings = { errors, warnings, risks };
      // Told at every change anywhere; what was being typed into stays as it is.
      if (JSON.stringify(view.findings) !== JSON.stringify(findings)) {
        view.findings = findings;
        draw();
      }
      break;
    }
    case 'reveal':
      view.pointer = data.pointer;
      if (data.workload !== view.chosen || (view.app !== undefined && appAt(data.pointer) !== view.app)) {
        view.chosen = data.workload;
        view.app = view.app === undefined ? undefined : appAt(data.pointer);
        draw();
      } else {
        mark();
      }
      break;
    case 'form':
      form(data.form, data.focus);
      break;
    case 'running':
      if (data.name !== view.running) {
        view.running = data.name;
        view.tab = data.name === undefined ? view.tab : 'run';
        draw();
      }
      break;
    case 'result':
      if (view.result?.summary !== data.result.summary || view.result.body !== data.result.body) {
        view.tab = 'run';
      }
      view.result = data.result;
      draw();
      break;
  }
});
editor.postMessage({ type: 'ready' });
