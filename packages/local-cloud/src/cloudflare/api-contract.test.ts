import { readFile } from 'node:fs/promises';
import { expect, test, vi } from 'vitest';
import { ok } from './api-answer.ts';
import type { ApiAnswer, ApiHandlers } from './api-answer.ts';
import { createApiContract } from './api-contract.ts';

const owner = { token: 'contract-token', accountId: 'a'.repeat(32), zoneId: 'b'.repeat(32) };
const verify = {
  method: 'GET',
  url: '/client/v4/user/tokens/verify',
  headers: { authorization: 'Bearer contract-token' },
  body: undefined,
  parts: new Map(),
};

async function everyOperation(): Promise<Record<string, () => ApiAnswer>> {
  const text = await readFile(new URL('cloudflare.openapi.json', import.meta.url), 'utf8');
  const ids = [...text.matchAll(/"operationId": "([^"]+)"/g)].map((found) => found[1] ?? '');
  return Object.fromEntries(ids.map((id) => [id, () => ok(null)]));
}

async function answerOfVerify(handlers: ApiHandlers): Promise<ApiAnswer> {
  const contract = await createApiContract(owner, { ...(await everyOperation()), ...handlers });
  return contract.answer(verify);
}

test('an answer that drifts from the contract becomes a 500 with the reason, and is logged', async () => {
  const log = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  const answer = await answerOfVerify({ 'user.tokens.tokens.verify': () => ok({ id: 'x', status: 'sleepy' }) });
  expect(answer.status).toBe(500);
  expect(JSON.stringify(answer.body)).toContain('drifted from the contract: /result/status must be equal to one of');
  expect(log).toHaveBeenCalledOnce();
  const undeclared = await answerOfVerify({ 'user.tokens.tokens.verify': () => ({ status: 202, body: {} }) });
  expect(JSON.stringify(undeclared.body)).toContain('undeclared status 202');
  log.mockRestore();
});

test('a handler that breaks becomes a 500 whose words hold no token', async () => {
  const log = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  const answer = await answerOfVerify({
    'user.tokens.tokens.verify': () => {
      throw new Error('broke with contract-token in hand');
    },
  });
  expect(answer.status).toBe(500);
  expect(JSON.stringify([answer.body, log.mock.calls])).toContain('broke with [token] in hand');
  expect(JSON.stringify([answer.body, log.mock.calls])).not.toContain('contract-token');
  log.mockRestore();
});

test('handlers and contract must name the same operations', async () => {
  const { 'zones.zones.get': _left, ...others } = await everyOperation();
  await expect(createApiContract(owner, others)).rejects.toThrow('no handler for [zones.zones.get]');
});
