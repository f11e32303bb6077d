/**
 * The Worker that keeps the users' ledgers. It is a script of its own: a version of the media Worker that serves one
 * per cent of the requests may not bring a Durable Object's class along, and both versions must count as one.
 */
export { UserLimits } from './user-limits.ts';

export default {
  fetch(): Response {
    return new Response(null, { status: 404 });
  },
};
