/** Workload IR as text and as a picture. Pure: no editor, no page. */

import type { Json, Mapped, Position, Problem, Range, WorkloadView } from './protocol';

/** A line of the printed IR. */
export interface Line {
  text: string;
  /** JSON pointer of the value that the line belongs to. */
  pointer: string;
}

/** A part of the picture. */
export interface Part {
  label: string;
  value: string;
  pointer: string;
  /** Messages of the problems inside it. */
  risks: string[];
}

/** A box of the picture. */
export interface Box {
  title: string;
  pointer: string;
  parts: Part[];
}

/** Beyond this a line is cut: a value of a megabyte is no reason for a page to stop. */
const LONGEST = 2000;

const escape = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

/** Prints a value as `JSON.stringify(value, null, 2)` would with sorted keys, with the pointer of each line. */
export function print(value: Json): Line[] {
  const lines: Line[] = [];
  const put = (text: string, pointer: string): void => {
    lines.push({ text: text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text, pointer });
  };
  const walk = (item: Json, prefix: string, indent: string, pointer: string, comma: string): void => {
    if (item === null || typeof item !== 'object') {
      put(prefix + JSON.stringify(item) + comma, pointer);
      return;
    }
    const list = Array.isArray(item);
    const entries: [string, Json][] = list
      ? item.map((one, i): [string, Json] => [String(i), one])
      : Object.keys(item).sort().map((key): [string, Json] => [key, item[key] ?? null]);
    const [open, close] = list ? ['[', ']'] : ['{', '}'];
    if (entries.length === 0) {
      put(`${prefix}${open}${close}${comma}`, pointer);
      return;
    }
    put(prefix + open, pointer);
    entries.forEach(([key, one], i) => {
      const name = list ? '' : `${JSON.stringify(key)}: `;
      walk(one, `${indent}  ${name}`, `${indent}  `, `${pointer}/${escape(key)}`, i + 1 < entries.length ? ',' : '');
    });
    put(indent + close + comma, pointer);
  };
  walk(value, '', '', '', '');
  return lines;
}

const before = (a: Position, b: Position): boolean => a.line < b.line || (a.line === b.line && a.character <= b.character);

/** Does a range hold a position? */
export const holds = (range: Range, at: Position): boolean => before(range.start, at) && before(at, range.end);

/** The innermost value at a position of the source. */
export function pointerAt(map: Mapped[], at: Position): string | undefined {
  let best: Mapped | undefined;
  for (const entry of map) {
    const narrower = best === undefined || (holds(best.range, entry.range.start) && holds(best.range, entry.range.end));
    if (holds(entry.range, at) && narrower) {
      best = entry;
    }
  }
  return best?.pointer;
}

/** The entry for a pointer, or for the nearest value around it that is written somewhere. */
export function entryFor(map: Mapped[], pointer: string): Mapped | undefined {
  for (let at = pointer; ; at = at.slice(0, at.lastIndexOf('/'))) {
    const entry = map.find((one) => one.pointer === at);
    if (entry || at === '') {
      return entry;
    }
  }
}

type Fields = { [key: string]: Json };

const fields = (value: Json | undefined): Fields =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {};
const list = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : []);
/** A value in words. */
export const text = (value: Json | undefined): string => (typeof value === 'string' ? value : JSON.stringify(value ?? null));

/** The names of a workload's apps. */
export const appsOf = (workload: WorkloadView): string[] => list(fields(workload.ir)['apps']).map((app) => text(fields(app)['name']));

/** Of each app the boxes from source to what gets out, in the order in which data flows. */
export function picture(workload: WorkloadView, problems: Problem[]): { name: string; boxes: Box[] }[] {
  const risky = (pointer: string): string[] => {
    const entry = workload.sourceMap.find((one) => one.pointer === pointer);
    return entry ? problems.filter((p) => holds(entry.range, p.range.start) && holds(entry.range, p.range.end)).map((p) => `${p.code}: ${p.message}`) : [];
  };
  return list(fields(workload.ir)['apps']).map((app, i) => {
    const at = `/apps/${i}`;
    const part = (label: string, value: string, pointer: string): Part => ({ label, value, pointer: at + pointer, risks: risky(at + pointer) });
    const given = fields(app);
    return { name: text(given['name']), boxes: [source(given, part), image(given, part), machine(given, part), way(given, part), secrets(given, part)].map((box) => ({ ...box, pointer: at + box.pointer })) };
  });
}

type Maker = (label: string, value: string, pointer: string) => Part;

function source(app: Fields, part: Maker): Box {
  const from = fields(app['source']);
  const parts = [part('directory', text(from['path']), '/source/path')];
  const include = list(from['include']).map(text);
  if (include.join() !== '**') {
    parts.push(part('only', include.join(', '), '/source/include'));
  }
  list(from['exclude']).forEach((one, i) => parts.push(part('without', text(one), `/source/exclude/${i}`)));
  const calls = list(app['entrypoints']).map((one, i) => {
    const entry = fields(one);
    const label = entry['primary'] === true ? 'calls first' : 'calls';
    return entry['kind'] === 'command'
      ? part('runs', list(entry['command']).map(text).join(' '), `/entrypoints/${i}/command`)
      : part(label, `${text(entry['module'])}.${text(entry['function'])}`, `/entrypoints/${i}/function`);
  });
  return { title: 'Source', pointer: '/source', parts: [...parts, ...calls] };
}

function image(app: Fields, part: Maker): Box {
  const from = fields(app['image']);
  const parts =
    from['kind'] === 'oci_base'
      ? [part('image', text(from['reference']), '/image/reference'), part('digest', from['digest'] ? text(from['digest']) : 'none: it may change', '/image/digest')]
      : list(from['packages']).map((one, i) => part('package', text(one), `/image/packages/${i}`));
  const locked = fields(app['dependencies']);
  if (locked['lockfile']) {
    parts.push(part('locked by', text(locked['lockfile']), '/dependencies/lockfile'));
  }
  return { title: 'Image', pointer: '/image', parts };
}

function machine(app: Fields, part: Maker): Box {
  const size = fields(app['resources']);
  const cores = size['cpu_cores'];
  const parts = [
    part('cores', text(cores), '/resources/cpu_cores'),
    part('memory', `${text(size['memory_mb'])} MiB`, '/resources/memory_mb'),
    part('disk', `${text(size['rootfs_size_mb'])} MiB`, '/resources/rootfs_size_mb'),
  ];
  for (const [step, commands] of Object.entries(fields(app['hooks']))) {
    list(commands).forEach((one, i) => {
      const hook = fields(one);
      const shown = hook['kind'] === 'shell' ? text(hook['line']) : list(hook['argv']).map(text).join(' ');
      parts.push(part(step.replaceAll('_', ' '), shown, `/hooks/${step}/${i}`));
    });
  }
  return { title: 'Machine', pointer: '/resources', parts };
}

function way(app: Fields, part: Maker): Box {
  const network = fields(app['network']);
  const allowed = list(fields(network['egress'])['allowlist']);
  const parts = allowed.map((one, i) => {
    const to = fields(one);
    return part('may reach', `${text(to['host'])}:${text(to['port'])}`, `/network/egress/allowlist/${i}`);
  });
  if (parts.length === 0) {
    const open = network['mode'] === 'bridge';
    parts.push(part('may reach', open ? 'any public address' : 'nothing', '/network/mode'));
  }
  list(network['ports']).forEach((one, i) => {
    const port = fields(one);
    parts.push(part('publishes', `${text(port['guest'])}/${text(port['proto'])}`, `/network/ports/${i}`));
  });
  return { title: 'Network', pointer: '/network', parts };
}

function secrets(app: Fields, part: Maker): Box {
  const parts = Object.entries(fields(app['env'])).map(([key, value]) => {
    const given = fields(value);
    const reference = fields(given['ref']);
    const hosts = list(reference['allowed_hosts']).map(text);
    const to = hosts.length > 0 ? ` → ${hosts.join(', ')}` : '';
    const pointer = `/env/${escape(key)}`;
    return given['kind'] === 'secret_ref' ? part(`${key} (secret)`, `${text(reference['name'])}${to}`, pointer) : part(key, text(given['value']), pointer);
  });
  return { title: 'Environment and secrets', pointer: '/env', parts };
}
