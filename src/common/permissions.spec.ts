import { GRANTS, lesserRole, PERMISSIONS, ROLES, scopeOf } from './permissions';

describe('Permissions', () => {
  const granted = (caller: Parameters<typeof scopeOf>[0]) =>
    PERMISSIONS.filter((permission) => scopeOf(caller, permission) !== 'none');

  it('are what this table says', () => {
    const common = ['self:read', 'self:update', 'organization:read', 'users:read'];
    expect(Object.fromEntries(ROLES.map((role) => [role, granted({ role })]))).toEqual({
      admin: [
        'self:read',
        'self:update',
        'organization:read',
        'organization:update',
        'organization:erase',
        'users:read',
        'users:create',
        'users:update',
        'users:deactivate',
        'keys:manage',
        'audit:read',
      ],
      manager: common,
      member: common,
      viewer: common,
    });
  });

  it('never grow from a role to a lesser one, and never by a key', () => {
    ROLES.forEach((role, index) => {
      const lesser = ROLES[index + 1];
      if (lesser)
        expect(granted({ role })).toEqual(expect.arrayContaining(granted({ role: lesser })));
      expect(granted({ role, apiKeyId: 'x' })).toEqual([
        'self:read',
        'organization:read',
        'users:read',
        // Reading the book is what an integration with a log system does.
        ...(role === 'admin' ? ['audit:read'] : []),
      ]);
    });
  });

  it('know the lesser of two roles', () => {
    expect(lesserRole('admin', 'viewer')).toBe('viewer');
    expect(lesserRole('member', 'manager')).toBe('member');
    expect(lesserRole('admin', 'admin')).toBe('admin');
    expect(Object.keys(GRANTS)).toEqual([...ROLES]);
  });
});
