import { createHash } from 'node:crypto';
import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { build } from 'esbuild';

/** Modules of Node that the Workers runtime has under `node:`; `pg` asks for them by their bare names. */
const NODE_MODULES = [
  'assert',
  'buffer',
  'crypto',
  'dns',
  'events',
  'fs',
  'net',
  'os',
  'path',
  'stream',
  'string_decoder',
  'tls',
  'url',
  'util',
];

export interface WorkerBundle {
  readonly mainModule: string;
  readonly modules: Readonly<Record<string, string>>;
  /** Hash of the code. */
  readonly tag: string;
}

const bundles = new Map<string, Promise<WorkerBundle>>();

/** One ES module of a Worker and all that it imports. The same source gives the same bytes; made once a process. */
export function bundleWorker(entry: string): Promise<WorkerBundle> {
  const path = resolve(entry);
  const made = bundles.get(path) ?? makeBundle(path);
  bundles.set(path, made);
  return made;
}

async function makeBundle(path: string): Promise<WorkerBundle> {
  await access(path).catch((cause: unknown) => {
    throw new Error(`the Worker's source ${path} does not exist`, { cause });
  });
  const result = await build({
    entryPoints: [path],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    logLevel: 'silent',
    conditions: ['workerd', 'worker', 'browser'],
    mainFields: ['module', 'main'],
    external: ['cloudflare:*', 'node:*'],
    alias: Object.fromEntries(NODE_MODULES.map((name) => [name, `node:${name}`])),
    // CommonJS packages require Node's modules at run time.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire('/');",
    },
    define: { 'process.env.NODE_ENV': '"production"' },
    // A clone in another folder must give the same bytes.
    absWorkingDir: process.cwd(),
  });
  const code = result.outputFiles[0]?.text ?? '';
  const mainModule = 'index.js';
  return {
    mainModule,
    modules: { [mainModule]: code },
    tag: createHash('sha256').update(code).digest('hex').slice(0, 16),
  };
}
