import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { errorAnswer, errorBody } from './api-error.ts';
import { authenticate } from './auth.ts';
import { allowedOrigin, EXPOSED } from './cross-origin.ts';
import type { Env } from './env.ts';
import { databaseAlive } from './library.ts';
import { askLedger } from './limits/user-ledger.ts';
import { mediaRoutes } from './media-routes.ts';
import { readRoutes } from './read-routes.ts';
import { laterOf, mayTest, readJson, type App, type Build, type RouteContext } from './route-context.ts';
import { receiveTiming } from './rum.ts';
import { readBySignedLink, readsBySignedLink } from './signed-read.ts';
import { observeRequest } from './telemetry.ts';
import { uploadRoutes } from './upload-routes.ts';

const HEALTH_MS = 2000;

/** `true` when the dependency answered in time. */
async function answers(asked: Promise<boolean>): Promise<boolean> {
  const timeout = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), HEALTH_MS));
  return Promise.race([asked.catch(() => false), timeout]);
}

interface MediaWorker {
  fetch(request: Request, env: Env, context: ExecutionContext): Response | Promise<Response>;
}

/** audafact-api over one kind of store. */
export function createWorker(build: Build): MediaWorker {
  const app = createApp(build);
  return {
    fetch: (request, env, context) =>
      readsBySignedLink(request)
        ? readBySignedLink(build, request, env, (work) => context.waitUntil(work))
        : app.fetch(request, env, context),
  };
}

/** Every route but the one of signed reads. */
function createApp(build: Build): Hono<App> {
  const app = new Hono<App>();

  app.use(async (context, next) => {
    const start = Date.now();
    await next();
    context.res.headers.set('x-audafact-version', context.env.VERSION.id);
    observeRequest(context.env, laterOf(context), {
      name: context.req.routePath,
      status: context.res.status,
      source: context.get('source') ?? '',
      ms: Date.now() - start,
    });
  });
  app.use(
    cors({
      origin: (origin, context: RouteContext) => allowedOrigin(context.env, origin),
      allowMethods: ['GET', 'HEAD', 'PUT', 'POST', 'OPTIONS'],
      allowHeaders: ['authorization', 'content-type', 'range', 'if-none-match', 'if-range'],
      exposeHeaders: EXPOSED,
      maxAge: 3600,
    }),
  );
  app.onError((error) => errorAnswer(error));
  app.notFound((context) => context.json(errorBody('ROUTE_NOT_FOUND', 'there is no such route'), 404));

  app.get('/health', async (context) => {
    const { env } = context;
    const [store, database] = await Promise.all([answers(build.store(env).alive()), answers(databaseAlive(env))]);
    return context.json({
      status: store && database ? 'ok' : 'degraded',
      service: 'audafact-api',
      version: { id: env.VERSION.id, tag: env.VERSION.tag },
      environment: env.ENVIRONMENT,
      build: build.name,
      dependencies: { store, database },
    });
  });
  app.post('/rum', receiveTiming);

  app.use('/api/*', async (context, next) => {
    const { userId } = await authenticate(context.req.header('authorization'), context.env);
    context.set('userId', userId);
    await next();
  });
  readRoutes(app, build);
  uploadRoutes(app, build);
  app.post('/api/test/limits', arrangeLimits);
  mediaRoutes(app, build);
  return app;
}

/** Staging's validation sets its own user's ledger: nobody can wait until tomorrow to see a window reset. */
async function arrangeLimits(context: RouteContext): Promise<Response> {
  const { env } = context;
  if (!mayTest(context)) return context.json(errorBody('ROUTE_NOT_FOUND', 'there is no such route'), 404);
  const arrangement = await readJson(context);
  await askLedger(env, context.get('userId'), (ledger) => ledger.arrange(arrangement));
  return context.json({ arranged: true });
}
