/** The roles a user can have, from the most to the least powerful. */
export const ROLES = ['admin', 'manager', 'member', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

/** What a route can demand. A route without one of these is closed to everybody. */
export const PERMISSIONS = [
  'self:read',
  'self:update',
  'organization:read',
  'users:read',
  'users:create',
  'users:update',
  'users:deactivate',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

const everyone: readonly Permission[] = [
  'self:read',
  'self:update',
  'organization:read',
  'users:read',
];

/** Which role may do what: the only place where this is decided. */
const GRANTS: Readonly<Record<Role, ReadonlySet<Permission>>> = {
  admin: new Set(PERMISSIONS),
  manager: new Set(everyone),
  member: new Set(everyone),
  viewer: new Set(everyone),
};

export function isAllowed(role: Role, permission: Permission): boolean {
  return GRANTS[role].has(permission);
}
