import type { ConfigService } from '@nestjs/config';
import type { Response } from 'express';
import { AppError } from '../common/errors';
import type { RequestWithPrincipal } from '../common/principal';
import type { AppConfig } from '../config/app-config';
import { GeneralLimit } from './general-limit.service';

const COUNT = 60;

function limitOf(perOrganization = { count: COUNT, seconds: 60 }) {
  const limits = { enabled: true, perOrganization, perKey: { count: 5, seconds: 60 } };
  const config = { get: () => limits } as unknown as ConfigService<AppConfig, true>;
  const limit = new GeneralLimit(config);
  const headers: Record<string, string>[] = [];
  const response = { set: (some: Record<string, string>) => headers.push(some) };
  /** How many of some requests at once get through. */
  const ask = (count: number, organizationId = 'org_a', apiKeyId?: string): number => {
    const user = { organizationId, userId: 'u', role: 'admin', apiKeyId };
    const request = { path: '/api/v1/contacts', ip: '192.0.2.1', user };
    let allowed = 0;
    for (let sent = 0; sent < count; sent++) {
      try {
        limit.count(request as RequestWithPrincipal, response as unknown as Response);
        allowed += 1;
      } catch (error) {
        expect(error).toMatchObject({ code: 'RATE_LIMITED' } satisfies Partial<AppError>);
      }
    }
    return allowed;
  };
  return { limit, ask, headers };
}

describe('The limit of requests', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('lets as many through as it names, and then as they come back, one by one', () => {
    const { ask } = limitOf();
    expect(ask(2 * COUNT)).toBe(COUNT);
    for (let second = 0; second < 5; second++) {
      jest.advanceTimersByTime(1000);
      expect(ask(10)).toBe(1);
    }
    jest.advanceTimersByTime(3 * 60_000);
    expect(ask(2 * COUNT)).toBe(COUNT);
  });

  it('knows who has nothing left without counting, and says when to come back', () => {
    const { limit, ask, headers } = limitOf({ count: 2, seconds: 60 });
    expect(limit.refusalOf('org_a')).toBeUndefined();
    ask(1);
    expect(limit.refusalOf('org_a')).toBeUndefined();
    ask(1);
    expect(headers.at(-1)?.RateLimit).toBe('"requests";r=0;t=30');
    for (let asked = 0; asked < 3; asked++) {
      expect(limit.refusalOf('org_a')?.headers['Retry-After']).toBe('30');
    }
    jest.advanceTimersByTime(29_999);
    expect(limit.refusalOf('org_a')?.headers['Retry-After']).toBe('1');
    jest.advanceTimersByTime(1);
    expect(limit.refusalOf('org_a')).toBeUndefined();
    expect(ask(5)).toBe(1);
  });

  it('counts organizations and keys apart', () => {
    const { ask } = limitOf();
    expect(ask(10, 'org_a', 'key_1')).toBe(5);
    expect(ask(10, 'org_a', 'key_2')).toBe(5);
    expect(ask(2 * COUNT, 'org_a')).toBe(COUNT - 10);
    expect(ask(2 * COUNT, 'org_b')).toBe(COUNT);
  });
});
