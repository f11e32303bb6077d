import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { bundleWorker } from '../../../packages/crossfade/src/phases/staging/worker-bundle.ts';

/** One script of this folder in workerd, with R2, and with a legacy store that the test answers for. */
export async function startOnLegacy(script: string, legacy: Server): Promise<Miniflare> {
  legacy.listen(0, '127.0.0.1');
  await once(legacy, 'listening');
  const { mainModule, modules } = await bundleWorker(fileURLToPath(new URL(script, import.meta.url)));
  const mf = new Miniflare(
    convertV4MiniflareOptions({
      log: new Log(LogLevel.NONE),
      telemetry: { enabled: false },
      cf: false,
      modules: [{ type: 'ESModule', path: mainModule, contents: modules[mainModule] ?? '' }],
      compatibilityDate: '2026-07-01',
      compatibilityFlags: ['nodejs_compat'],
      r2Buckets: ['MEDIA'],
      bindings: {
        LEGACY_ORIGIN: `http://127.0.0.1:${(legacy.address() as AddressInfo).port}`,
        LEGACY_BUCKET: 'media',
        LEGACY_SERVICE_KEY: 'canary-service-key',
      },
    }),
  );
  await mf.ready;
  return mf;
}
