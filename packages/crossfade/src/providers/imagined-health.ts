import type { RolloutConfig } from '../rollout/config.ts';
import type { CloudflareProvider, PublicHttp } from './providers.ts';

type Environment = RolloutConfig['environments']['production'];

/** HTTP as it is, but for `GET /health` of a Worker: that answers as the deployment that would be there. */
export function imaginingHealth(
  real: PublicHttp,
  cloudflare: Pick<CloudflareProvider, 'listDeployments' | 'listVersions'>,
  environments: readonly Environment[],
): PublicHttp {
  return {
    async request(url, options) {
      const of = environments.find(({ worker }) => url === `${worker.mediaOrigin}/health`);
      const [serving] = of === undefined ? [] : await cloudflare.listDeployments(of.worker.name);
      const most = serving?.versions.toSorted((a, b) => b.percentage - a.percentage)[0];
      if (of === undefined || most === undefined) return real.request(url, options);
      const version = (await cloudflare.listVersions(of.worker.name)).find(({ id }) => id === most.versionId);
      const build = version?.tag?.startsWith('bypass-') === true ? 'bypass' : 'r2';
      const health = { status: 'ok', service: 'imagined', version: { id: most.versionId }, environment: '', build };
      return { status: 200, headers: {}, body: Buffer.from(JSON.stringify(health)), ms: 0, address: '' };
    },
  };
}
