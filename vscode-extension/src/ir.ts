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
  /** What is wrong or unsafe in it. */
  risks: string[];
}

/** A box of the picture. */
export interface Box {
  title: string;
  /** The values that it is about. */
  pointers: string[];
  parts: Part[];
  /** What is wrong in it, and in none of its parts. */
  risks: string[];
}

/** An app as it is drawn. */
export interface Drawing {
  name: string;
  boxes: Box[];
  /** What is wrong in the declaration, and in none of the boxes. */
  risks: string[];
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

const encloses = (outer: Range, inner: Range): boolean => holds(outer, inner.start) && holds(outer, inner.end);

/** The innermost value at a position of the source. */
export function pointerAt(map: Mapped[], at: Position): string | undefined {
  let best: Mapped | undefined;
  for (const entry of map) {
    const narrower = best === undefined || encloses(best.range, entry.range);
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

/** Of each app the boxes from source to what gets out, in the order in which data flows. Each risk is told once: at the
 * part it lies in, else at the box, else at the app. */
export function picture(workload: WorkloadView, risks: Problem[]): Drawing[] {
  return list(fields(workload.ir)['apps']).map((app, i) => {
    const given = fields(app);
    const at = `/apps/${i}`;
    const part = (label: string, value: string, pointer: string): Part => ({ label, value, pointer: at + pointer, risks: [] });
    const made = [source, image, machine, way, environment].map((make) => make(given, part));
    const boxes = made.map((box) => ({ ...box, pointers: box.pointers.map((one) => at + one), risks: [] as string[] }));
    const all: Drawing = { name: text(given['name']), boxes, risks: [] };
    const map = workload.sourceMap.filter((one) => within(one.pointer, at));
    for (const risk of risks) {
      const pointer = pointerOf(map, risk.range);
      if (pointer !== undefined) {
        place(all, pointer, risk);
      }
    }
    return all;
  });
}

const within = (pointer: string, outer: string): boolean => pointer === outer || pointer.startsWith(`${outer}/`);

/** The innermost value that a range lies in, be it where the value is used or where it is defined. */
function pointerOf(map: Mapped[], range: Range): string | undefined {
  let best: { pointer: string; range: Range } | undefined;
  for (const { pointer, range: used, definition } of map) {
    for (const one of definition ? [used, definition] : [used]) {
      if (encloses(one, range) && (!best || encloses(best.range, one))) {
        best = { pointer, range: one };
      }
    }
  }
  return best?.pointer;
}

/** Codes of credentials in the source: their values are not drawn, since pictures are shown to others. */
const CREDENTIAL = /^MVM50[1-4]$/;

function place(all: Drawing, pointer: string, { code, message }: Problem): void {
  const parts = all.boxes.flatMap((box) => box.parts).filter((part) => within(pointer, part.pointer));
  const [part] = parts.sort((a, b) => b.pointer.length - a.pointer.length);
  const box = all.boxes.find((one) => one.pointers.some((outer) => within(pointer, outer)));
  (part ?? box ?? all).risks.push(`${code}: ${message}`);
  if (part && CREDENTIAL.test(code)) {
    part.value = '••••••••';
  }
}

type Maker = (label: string, value: string, pointer: string) => Part;
type Made = Omit<Box, 'risks'>;

function source(app: Fields, part: Maker): Made {
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
  return { title: 'Source', pointers: ['/source', '/entrypoints'], parts: [...parts, ...calls] };
}

function image(app: Fields, part: Maker): Made {
  const from = fields(app['image']);
  const parts =
    from['kind'] === 'oci_base'
      ? [part('image', text(from['reference']), '/image/reference'), part('digest', from['digest'] ? text(from['digest']) : 'none: it may change', '/image/digest')]
      : list(from['packages']).map((one, i) => part('package', text(one), `/image/packages/${i}`));
  const locked = fields(app['dependencies']);
  if (locked['lockfile']) {
    parts.push(part('locked by', text(locked['lockfile']), '/dependencies/lockfile'));
  }
  return { title: 'Image', pointers: ['/image', '/dependencies'], parts };
}

function machine(app: Fields, part: Maker): Made {
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
  list(app['mounts']).forEach((one, i) => {
    const mount = fields(one);
    const from = fields(mount['source']);
    const size = from['size_mb'] === undefined ? '' : ` of ${text(from['size_mb'])} MiB`;
    const what = from['kind'] === 'volume' ? `the volume ${text(from['name'])}` : from['kind'] === 'host_path' ? `${text(from['path'])} of the host` : `memory${size}`;
    parts.push(part('mounts', `${text(mount['target'])}: ${what}${mount['mode'] === 'ro' ? ', read only' : ''}`, `/mounts/${i}`));
  });
  if (app['health_check'] !== undefined) {
    parts.push(part('is well when', list(fields(app['health_check'])['command']).map(text).join(' '), '/health_check'));
  }
  return { title: 'Machine', pointers: ['/resources', '/hooks', '/mounts', '/health_check'], parts };
}

function way(app: Fields, part: Maker): Made {
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
    const here = port['host_addr'] === undefined ? '' : ` at ${text(port['host_addr'])}`;
    parts.push(part('publishes', `${text(port['guest'])}/${text(port['proto'])}${here}`, `/network/ports/${i}`));
  });
  return { title: 'Network', pointers: ['/network'], parts };
}

function environment(app: Fields, part: Maker): Made {
  const parts = Object.entries(fields(app['env'])).map(([key, value]) => {
    const given = fields(value);
    const reference = fields(given['ref']);
    const hosts = list(reference['allowed_hosts']).map(text);
    const to = ` → ${hosts.length > 0 ? hosts.join(', ') : 'wherever the network lets it'}`;
    const pointer = `/env/${escape(key)}`;
    return given['kind'] === 'secret_ref' ? part(`${key} (secret)`, `${text(reference['name'])}${to}`, pointer) : part(key, text(given['value']), pointer);
  });
  if (parts.length === 0) {
    parts.push(part('given', 'nothing', '/env'));
  }
  return { title: 'Environment and secrets', pointers: ['/env'], parts };
}
