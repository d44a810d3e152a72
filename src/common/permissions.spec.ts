import { GRANTS, lesserRole, OBJECTS, PERMISSIONS, ROLES, scopeOf } from './permissions';

describe('Permissions', () => {
  const granted = (caller: Parameters<typeof scopeOf>[0]) =>
    PERMISSIONS.filter((permission) => scopeOf(caller, permission) !== 'none');

  it('are what this table says', () => {
    const identity = ['self:read', 'self:update', 'organization:read', 'users:read'];
    const reading = ['jobs:read', 'fields:read', 'pipelines:read'];
    const records = OBJECTS.flatMap((object) =>
      ['read', 'create', 'update', 'delete'].map((action) => `${object}:${action}`),
    );
    const readRecords = OBJECTS.map((object) => `${object}:read`);
    expect(Object.fromEntries(ROLES.map((role) => [role, granted({ role })]))).toEqual({
      admin: [
        'self:read',
        'self:update',
        'organization:read',
        'organization:update',
        'organization:export',
        'organization:erase',
        'users:read',
        'users:create',
        'users:update',
        'users:deactivate',
        'keys:manage',
        'audit:read',
        'changes:read',
        'jobs:read',
        'webhooks:manage',
        'fields:read',
        'fields:manage',
        'pipelines:read',
        'pipelines:manage',
        ...records,
      ],
      manager: [...identity, 'changes:read', ...reading, 'pipelines:manage', ...records],
      member: [...identity, ...reading, ...records],
      viewer: [...identity, ...reading, ...readRecords],
    });
  });

  it('never grow from a role to a lesser one, and never by a key', () => {
    ROLES.forEach((role, index) => {
      const lesser = ROLES[index + 1];
      if (lesser)
        expect(granted({ role })).toEqual(expect.arrayContaining(granted({ role: lesser })));
      const forKeys = granted({ role }).filter(
        (permission) =>
          ![
            'keys:manage',
            'webhooks:manage',
            'self:update',
            'organization:update',
            'organization:export',
            'organization:erase',
          ].includes(permission) && !/^users:(?!read)/.test(permission),
      );
      expect(granted({ role, apiKeyId: 'x', makerRole: role })).toEqual(forKeys);
    });
  });

  it('reach the records of the caller alone where the scope is own', () => {
    expect(scopeOf({ role: 'member' }, 'deals:read')).toBe('own');
    expect(scopeOf({ role: 'member' }, 'contacts:update')).toBe('own');
    expect(scopeOf({ role: 'viewer' }, 'deals:read')).toBe('all');
    // A key of a role that sees everything, made by somebody who does not.
    const key = { role: 'viewer', apiKeyId: 'x', makerRole: 'member' } as const;
    expect(scopeOf(key, 'deals:read')).toBe('own');
    expect(scopeOf(key, 'deals:update')).toBe('none');
  });

  it('know the lesser of two roles', () => {
    expect(lesserRole('admin', 'viewer')).toBe('viewer');
    expect(lesserRole('member', 'manager')).toBe('member');
    expect(lesserRole('admin', 'admin')).toBe('admin');
    expect(Object.keys(GRANTS)).toEqual([...ROLES]);
  });
});
