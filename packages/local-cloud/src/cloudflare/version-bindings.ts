import { Response } from 'miniflare';
import type { RuntimeVersion } from './runtime-contract.ts';
import type { DataPoint } from './data-points.ts';
import { KEY_NOTES } from './r2-binding-keys.ts';

/** Where what Workers send away ends up. */
export interface Sinks {
  onMessages(queue: string, bodies: readonly string[]): Promise<void>;
  onDataPoint(dataset: string, point: DataPoint): void;
}

/**
 * Queues and Analytics Engine of a version: the simulator keeps no message for a pull consumer and throws data points
 * away, so both are entrypoints of a second Worker that passes them on to this process.
 */
const SINK_SCRIPT = `import { WorkerEntrypoint } from 'cloudflare:workers';
const post = async (env, path, body) => {
  const answer = await env.HOST.fetch('http://host' + path, { method: 'POST', body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(await answer.text());
};
export class Queue extends WorkerEntrypoint {
  send(body) { return post(this.env, '/queues/' + this.ctx.props.name, [JSON.stringify(body)]); }
  sendBatch(messages) { return post(this.env, '/queues/' + this.ctx.props.name, [...messages].map((one) => JSON.stringify(one.body))); }
}
export class KeyNotes extends WorkerEntrypoint {
  note(bucket, key) { return post(this.env, '/keys/' + bucket, key); }
}
export class Dataset extends WorkerEntrypoint {
  writeDataPoint(point) { return post(this.env, '/datasets/' + this.ctx.props.name, point); }
}
export default { fetch() { return new Response(null, { status: 404 }); } };`;

/** The Worker that passes messages, data points and written keys on. */
export function sinkWorker(name: string, sinks: Sinks, onKey: (bucket: string, key: string) => void = () => {}) {
  return {
    name,
    modules: true,
    compatibilityDate: '2026-07-01',
    script: SINK_SCRIPT,
    serviceBindings: {
      HOST: async (request: { url: string; json(): Promise<unknown> }): Promise<Response> => {
        const [, kind, target = ''] = new URL(request.url).pathname.split('/');
        const body = await request.json();
        if (kind === 'queues') await sinks.onMessages(target, body as string[]);
        else if (kind === 'keys') onKey(target, body as string);
        else sinks.onDataPoint(target, body as DataPoint);
        return new Response(null, { status: 204 });
      },
    },
  };
}

/** A version's bindings as Miniflare takes them. Throws when one names something that the account lacks. */
export function bindingsOf(
  version: RuntimeVersion,
  buckets: ReadonlySet<string>,
  urlOfHyperdrive: (id: string) => string | undefined,
  sinkName: string,
) {
  const bindings: Record<string, string | Record<string, string>> = {};
  const r2Buckets: Record<string, { id: string }> = {};
  const hyperdrives: Record<string, string> = {};
  const durableObjects: Record<string, { className: string; scriptName?: string; useSQLite: true }> = {};
  const serviceBindings: Record<string, { name: string; entrypoint: string; props: Record<string, string> }> = {};
  for (const binding of version.bindings) {
    switch (binding.type) {
      case 'plain_text':
      case 'secret_text':
        bindings[binding.name] = binding.text;
        break;
      case 'version_metadata':
        // A plain value: the simulator's own metadata binding makes up an id of its own.
        bindings[binding.name] = { id: version.versionId, tag: version.tag, timestamp: version.createdOn };
        break;
      case 'r2_bucket':
        if (!buckets.has(binding.bucket_name))
          throw new Error(`binding ${binding.name}: bucket ${binding.bucket_name} does not exist`);
        r2Buckets[binding.name] = { id: binding.bucket_name };
        serviceBindings[KEY_NOTES] = { name: sinkName, entrypoint: 'KeyNotes', props: {} };
        break;
      case 'hyperdrive': {
        const url = urlOfHyperdrive(binding.id);
        if (url === undefined) throw new Error(`binding ${binding.name}: no Hyperdrive config ${binding.id}`);
        hyperdrives[binding.name] = url;
        break;
      }
      case 'durable_object_namespace':
        durableObjects[binding.name] = {
          className: binding.class_name,
          ...(binding.script_name === undefined ? {} : { scriptName: binding.script_name }),
          useSQLite: true,
        };
        break;
      case 'queue':
        serviceBindings[binding.name] = { name: sinkName, entrypoint: 'Queue', props: { name: binding.queue_name } };
        break;
      case 'analytics_engine':
        serviceBindings[binding.name] = { name: sinkName, entrypoint: 'Dataset', props: { name: binding.dataset } };
        break;
    }
  }
  return { bindings, r2Buckets, hyperdrives, durableObjects, serviceBindings };
}
