import worker from '../../../apps/media-worker/src/worker.ts';

/** So many signed requests go well: less than that is only probes, more is the public. */
const HEALTHY = 100;
/** By this the audience tells a failure that was planted from one that nobody planted. */
const PLANTED_HEADER = 'x-planted-by';

export interface Planted {
  readonly scenario: string;
  /** One signed request in so many is spoilt. */
  readonly every: number;
  /** Makes of the healthy answer what the public gets. */
  spoil(answer: () => Response | Promise<Response>): Response | Promise<Response>;
}

/** The media Worker with a fault that staging cannot show: in production, once it has the public's traffic. */
export function plantedWorker({ scenario, every, spoil }: Planted): typeof worker {
  let signed = 0;
  return {
    async fetch(...args) {
      const [request, env] = args;
      const healthy = () => worker.fetch(...args);
      if (env.ENVIRONMENT !== 'production' || !new URL(request.url).pathname.startsWith('/media/')) return healthy();
      signed++;
      if (signed <= HEALTHY || signed % every !== 0) return healthy();
      const answer = await spoil(healthy);
      const marked = new Response(answer.body, answer);
      marked.headers.set(PLANTED_HEADER, scenario);
      return marked;
    },
  };
}
