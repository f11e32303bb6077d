import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { join } from 'node:path';

/** The options of one Worker in Miniflare 4's words, which Miniflare 5 converts. */
type InstanceOptions = Parameters<typeof convertV4MiniflareOptions>[0];

/**
 * One workerd. The only place that knows Miniflare's beta options: several instances share one storage (the first
 * one, which is never swapped, owns it) and find each other by the dev registry. Pinned exactly in package.json;
 * the zero-drop test in workers-runtime.test.ts holds it to account.
 */
export async function startInstance(
  folder: string,
  name: string,
  options: InstanceOptions,
): Promise<{ url: URL; mf: Miniflare }> {
  const mf = new Miniflare({
    ...convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: 0,
      log: new Log(LogLevel.NONE),
      telemetry: { enabled: false },
      cf: false,
      ...options,
    }),
    // What the runtime says belongs into the world's log. Its own way leads to stdout, which nobody reads any more
    // once the world is ready: the first word would end the world.
    handleStructuredLogs: ({ level, message }: { level: string; message: string }) =>
      void process.stderr.write(`workerd ${level}: ${message}\n`),
    unsafeEnableSharedStorage: true,
    enableDevRegistry: true,
    unsafeDevRegistryPath: join(folder, 'registry'),
    resourcePersistencePath: join(folder, 'storage'),
    isolatedResourcePersistencePath: join(folder, 'isolated', name),
  });
  try {
    return { url: await mf.ready, mf };
  } catch (error) {
    // The reason that it did not start is the one to tell.
    await mf.dispose().catch(() => {});
    throw error;
  }
}
