/** The roles a user can have, from the most to the least powerful. */
export const ROLES = ['admin', 'manager', 'member', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

/** What a route can demand. A route without one of these is closed to everybody. */
export const PERMISSIONS = [
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
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** Which records a permission reaches: none, those of the caller himself, or all. */
export const SCOPES = ['none', 'own', 'all'] as const;
export type Scope = (typeof SCOPES)[number];

type Grants = Readonly<Record<Permission, Scope>>;

const everyone: Grants = {
  'self:read': 'own',
  'self:update': 'own',
  'organization:read': 'all',
  'organization:update': 'none',
  'organization:erase': 'none',
  'users:read': 'all',
  'users:create': 'none',
  'users:update': 'none',
  'users:deactivate': 'none',
  'keys:manage': 'none',
  'audit:read': 'none',
};

/** Role × permission × scope of records: the only place where this is decided. */
export const GRANTS: Readonly<Record<Role, Grants>> = {
  admin: {
    ...everyone,
    'organization:update': 'all',
    'organization:erase': 'all',
    'users:create': 'all',
    'users:update': 'all',
    'users:deactivate': 'all',
    'keys:manage': 'all',
    'audit:read': 'all',
  },
  manager: everyone,
  member: everyone,
  viewer: everyone,
};

/**
 * What a program never does, whatever role its key has: sign in and out, change passwords, let
 * people in or throw them out, make keys. A stolen key must not be able to make itself at home.
 */
const NEVER_BY_KEY: ReadonlySet<Permission> = new Set([
  'self:update',
  'organization:update',
  'organization:erase',
  'users:create',
  'users:update',
  'users:deactivate',
  'keys:manage',
]);

/** Which records the caller reaches with a permission. */
export function scopeOf(caller: { role: Role; apiKeyId?: string }, permission: Permission): Scope {
  if (caller.apiKeyId !== undefined && NEVER_BY_KEY.has(permission)) return 'none';
  return GRANTS[caller.role][permission];
}

/** The less powerful of two roles. */
export function lesserRole(one: Role, other: Role): Role {
  return ROLES.indexOf(one) > ROLES.indexOf(other) ? one : other;
}
