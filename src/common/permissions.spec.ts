import { isAllowed, PERMISSIONS, ROLES } from './permissions';

describe('Permissions', () => {
  it('are what this table says', () => {
    const table = Object.fromEntries(
      ROLES.map((role) => [role, PERMISSIONS.filter((permission) => isAllowed(role, permission))]),
    );
    const common = ['self:read', 'self:update', 'organization:read', 'users:read'];
    expect(table).toEqual({
      admin: [...common, 'users:create', 'users:update', 'users:deactivate'],
      manager: common,
      member: common,
      viewer: common,
    });
  });
});
