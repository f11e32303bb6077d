import worker from '../../../apps/media-worker/src/worker.ts';

/** So many signed requests go well: less than that is only probes, more is the public. */
const HEALTHY = 100;
const EVERY = 5;

let signed = 0;

/**
 * The media Worker with a fault that staging cannot show: in production, once it has the public's traffic, one in
 * five signed requests fails (as a leak or an exhausted pool would make it).
 */
export default {
  fetch(...args: Parameters<typeof worker.fetch>): Response | Promise<Response> {
    const [request, env] = args;
    if (env.ENVIRONMENT === 'production' && new URL(request.url).pathname.startsWith('/media/')) {
      signed++;
      if (signed > HEALTHY && signed % EVERY === 0) {
        return Response.json(
          { error: { code: 'INTERNAL', message: 'planted by the scenario broken-worker' } },
          { status: 500 },
        );
      }
    }
    return worker.fetch(...args);
  },
};
