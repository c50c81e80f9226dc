/** What the server says beyond the standard protocol, and what the preview's page and the extension tell each other. */

/** A position: zero-based line and UTF-16 code unit. */
export interface Position {
  line: number;
  character: number;
}

/** A range: half open. */
export interface Range {
  start: Position;
  end: Position;
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Where a value of the IR is written. */
export interface Mapped {
  pointer: string;
  range: Range;
  definition?: Range;
}

export interface WorkloadView {
  id: string;
  irHash: string;
  /** `false`: something is missing or wrong, and it cannot be built. */
  complete: boolean;
  ir: Json;
  sourceMap: Mapped[];
}

export interface Problem {
  code: string;
  message: string;
  range: Range;
}

/** What the editor has of our findings in a file. */
export interface Findings {
  errors: number;
  warnings: number;
  /** Errors and warnings, as the picture marks them. */
  risks: Problem[];
}

/** Answer to `mvm/workloadIr`. */
export interface WorkloadIr {
  version: number | null;
  workloads: WorkloadView[];
  problems: Problem[];
}

/** `mvm/workloadIrChanged` */
export interface WorkloadIrChanged extends WorkloadIr {
  uri: string;
}

/** `mvm/output` */
export interface OutputParams {
  job: number;
  uri: string;
  name: string;
  stream: string;
  text: string;
}

/** What `mvm.build` and `mvm.run` answer. */
export interface JobResult {
  job: number;
  kind: 'build' | 'run';
  name: string;
  success: boolean;
  cancelled?: boolean;
  summary: string;
  details?: Json;
  error?: { kind: string; message: string; help: string | null };
}

/** A result as the page shows it. */
export interface ShownResult {
  name: string;
  success: boolean;
  summary: string;
  body: string;
}

/** A function that can be called, and with what it was called last. */
export interface Callable {
  name: string;
  schema?: Json;
  last?: Json;
}

/** What a run of a declaration needs to know. */
export interface ShownForm {
  name: string;
  functions: Callable[];
}

/** To the page. */
export type ToPage =
  | { type: 'ir'; uri: string; file: string; answer: WorkloadIr }
  | { type: 'gone'; file: string; reason: string }
  | ({ type: 'findings' } & Findings)
  | { type: 'reveal'; workload: number; pointer: string }
  | { type: 'form'; form: ShownForm; focus: boolean }
  | { type: 'running'; name: string | undefined }
  | { type: 'result'; result: ShownResult };

/** From the page. */
export type FromPage =
  | { type: 'ready' }
  | { type: 'open'; workload: number; pointer: string }
  | { type: 'copy'; text: string }
  | { type: 'call'; name: string; function: string | undefined; arguments: Json }
  | { type: 'again'; name: string }
  | { type: 'stop'; name: string }
  | { type: 'place'; range: Range }
  | { type: 'restart' }
  | { type: 'problems' };
