import { createHash } from 'node:crypto';
import type { WorkerUpload } from '../../providers/providers.ts';
import type { EnvironmentName } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { bundleWorker } from '../staging/worker-bundle.ts';

const MIGRATION = 'v1';

async function upload({ config, rollout }: RolloutContext, existed: boolean): Promise<WorkerUpload> {
  const { worker } = config;
  const { modules, mainModule } = await bundleWorker(worker.limitsEntry);
  const hash = createHash('sha256')
    .update(JSON.stringify([modules, worker.compatibilityDate]))
    .digest('hex');
  return {
    mainModule,
    modules,
    compatibilityDate: worker.compatibilityDate,
    compatibilityFlags: worker.compatibilityFlags,
    bindings: [],
    tag: `limits-${hash.slice(0, 16)}`,
    message: `${rollout}: the ledgers of limits`,
    // A class is brought into being once.
    ...(existed ? {} : { newClasses: { migration: MIGRATION, names: [worker.limitsClass] } }),
  };
}

/** The tag of what serves; `null` when the script was never deployed. */
async function servingTag({ config, providers }: RolloutContext, environment: EnvironmentName): Promise<string | null> {
  const { limitsName } = config.environments[environment].worker;
  const [serving] = await providers.cloudflare.listDeployments(limitsName);
  const id = serving?.versions[0]?.versionId;
  return (await providers.cloudflare.listVersions(limitsName)).find((one) => one.id === id)?.tag ?? null;
}

/** The Worker of the users' ledgers is deployed. The media Worker's versions bind its class. */
export function limitsStep(environment: EnvironmentName): Step<{ tag: string | null }> {
  return {
    id: `${environment}.limits`,
    title: `Ledgers of limits of ${environment}`,
    proves: [],
    look: async (context) => ({ tag: await servingTag(context, environment) }),
    async run(context) {
      const { limitsName } = context.config.environments[environment].worker;
      const serving = await servingTag(context, environment);
      const wanted = await upload(context, serving !== null);
      if (serving === wanted.tag) return { tag: serving, deployed: false };
      await context.providers.cloudflare.uploadScript(limitsName, wanted);
      return { tag: wanted.tag, deployed: true };
    },
    async verify(context) {
      const serving = await servingTag(context, environment);
      const { tag } = await upload(context, true);
      return verdict(serving === tag, {
        summary: `the ledgers are ${serving ?? 'not deployed'}`,
        measured: serving,
        expected: tag,
      });
    },
    // Removing a class removes what users have used up: the ledgers stay, and do no harm to whoever asks no more.
    compensate: async (_context, { tag }) => ({ left: tag ?? 'the first version' }),
  };
}
