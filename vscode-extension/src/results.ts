/** What can be called, and how a call ended, as people read it. Pure. */

import { text } from './ir';
import { bounded, plain } from './output';
import type { JobResult, Json, ShownForm, ShownResult } from './protocol';

/** How many findings there are, in words. */
export function counted(errors: number, warnings: number): string {
  const some = (count: number, one: string): string[] => (count === 0 ? [] : [`${count} ${one}${count === 1 ? '' : 's'}`]);
  return [...some(errors, 'error'), ...some(warnings, 'warning')].join(', ') || 'no findings';
}

/** A declaration with its functions. */
export interface Declared extends ShownForm {
  workload: string;
  complete: boolean;
}

type Fields = { [key: string]: Json };

/** Does a function take no arguments? Unknown where there is no schema. */
export const takesNothing = (schema: Json | undefined): boolean =>
  schema !== undefined && Object.keys(((schema as Fields | null)?.['properties'] ?? {}) as Fields).length === 0;

/** What of a workload can be called, the primary function first. */
export function declarations(workload: { id: string; complete: boolean; ir: Json }, last: (name: string, fun: string) => Json | undefined): Declared[] {
  const apps = ((workload.ir as Fields | null)?.['apps'] ?? []) as Fields[];
  return apps.map((app) => {
    const name = text(app['name']);
    const entrypoints = ((app['entrypoints'] ?? []) as Fields[]).filter((one) => one['kind'] === 'function');
    entrypoints.sort((a, b) => Number(b['primary'] === true) - Number(a['primary'] === true));
    const functions = entrypoints.map((one) => {
      const fun = text(one['function']);
      const before = last(name, fun);
      return { name: fun, ...(one['args_schema'] === undefined ? {} : { schema: one['args_schema'] }), ...(before === undefined ? {} : { last: before }) };
    });
    return { name, workload: workload.id, complete: workload.complete, functions };
  });
}

/** What a call gave, as text: the value, or the traceback. */
export function outcomeBody(outcome: Json | undefined): string | undefined {
  const { value, traceback, message } = (outcome ?? {}) as Fields;
  if (value !== undefined) {
    return typeof value === 'string' && value.includes('\n') ? value : JSON.stringify(value, null, 2);
  }
  return typeof traceback === 'string' ? traceback : typeof message === 'string' ? message : undefined;
}

/** A result as people read it. */
export function shownResult(result: JobResult): ShownResult {
  const outcome = (result.details as Fields | undefined)?.['outcome'];
  const body = outcomeBody(outcome) ?? result.error?.help ?? '';
  return { name: result.name, success: result.success, summary: plain(bounded(result.summary)), body: plain(bounded(body)) };
}
