/** The roles a user can have, from the most to the least powerful. */
export const ROLES = ['admin', 'manager', 'member', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

/** The kinds of records. Their names are those of their routes. */
export const OBJECTS = ['companies', 'contacts', 'deals', 'activities'] as const;
export type ObjectName = (typeof OBJECTS)[number];

export function isObjectName(object: string): object is ObjectName {
  return (OBJECTS as readonly string[]).includes(object);
}

/** What a route can demand. A route without one of these is closed to everybody. */
export const PERMISSIONS = [
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
  'companies:read',
  'companies:create',
  'companies:update',
  'companies:delete',
  'contacts:read',
  'contacts:create',
  'contacts:update',
  'contacts:delete',
  'deals:read',
  'deals:create',
  'deals:update',
  'deals:delete',
  'activities:read',
  'activities:create',
  'activities:update',
  'activities:delete',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** Which records a permission reaches: none, those the caller owns, or all. */
export const SCOPES = ['none', 'own', 'all'] as const;
export type Scope = (typeof SCOPES)[number];

type Grants = Readonly<Record<Permission, Scope>>;

const everyone: Grants = {
  'self:read': 'own',
  'self:update': 'own',
  'organization:read': 'all',
  'organization:update': 'none',
  'organization:export': 'none',
  'organization:erase': 'none',
  'users:read': 'all',
  'users:create': 'none',
  'users:update': 'none',
  'users:deactivate': 'none',
  'keys:manage': 'none',
  'audit:read': 'none',
  // It tells of everything, whoever owns it.
  'changes:read': 'none',
  'jobs:read': 'own',
  'webhooks:manage': 'none',
  'fields:read': 'all',
  'fields:manage': 'none',
  'pipelines:read': 'all',
  'pipelines:manage': 'none',
  ...onRecords('all', 'none'),
};

type RecordGrants = Record<`${ObjectName}:${'read' | 'create' | 'update' | 'delete'}`, Scope>;

function onRecords(read: Scope, write: Scope): RecordGrants {
  return Object.fromEntries(
    OBJECTS.flatMap((object) => [
      [`${object}:read`, read],
      ...['create', 'update', 'delete'].map((action) => [`${object}:${action}`, write]),
    ]),
  ) as RecordGrants;
}

/** Role × permission × scope of records: the only place where this is decided. */
export const GRANTS: Readonly<Record<Role, Grants>> = {
  admin: {
    ...everyone,
    'organization:update': 'all',
    'organization:export': 'all',
    'organization:erase': 'all',
    'users:create': 'all',
    'users:update': 'all',
    'users:deactivate': 'all',
    'keys:manage': 'all',
    'audit:read': 'all',
    'changes:read': 'all',
    'jobs:read': 'all',
    'webhooks:manage': 'all',
    'fields:manage': 'all',
    'pipelines:manage': 'all',
    ...onRecords('all', 'all'),
  },
  manager: {
    ...everyone,
    'changes:read': 'all',
    'pipelines:manage': 'all',
    ...onRecords('all', 'all'),
  },
  // Everybody knows the customers; what one sells and does is one's own business.
  member: {
    ...everyone,
    ...onRecords('all', 'own'),
    'deals:read': 'own',
    'activities:read': 'own',
  },
  viewer: everyone,
};

/**
 * What a program never does, whatever role its key has: sign in and out, change passwords, let
 * people in or throw them out, make keys. A stolen key must not be able to make itself at home, nor
 * to leave with everything, of which some it could not read otherwise.
 */
const NEVER_BY_KEY: ReadonlySet<Permission> = new Set([
  'self:update',
  'organization:update',
  'organization:export',
  'organization:erase',
  'users:create',
  'users:update',
  'users:deactivate',
  'keys:manage',
  'webhooks:manage',
]);

interface PermissionHolder {
  role: Role;
  apiKeyId?: string;
  makerRole?: Role;
}

/** Which records the caller reaches with a permission: for an API key, no more than its maker. */
export function scopeOf(caller: PermissionHolder, permission: Permission): Scope {
  if (caller.apiKeyId !== undefined && NEVER_BY_KEY.has(permission)) return 'none';
  const scopes = [
    GRANTS[caller.role][permission],
    GRANTS[caller.makerRole ?? caller.role][permission],
  ];
  return SCOPES.find((scope) => scopes.includes(scope)) ?? 'none';
}

/** True where some role reaches only its own records of the object: then it has lists by owner. */
export function isReadByOwner(object: ObjectName): boolean {
  return ROLES.some((role) => GRANTS[role][`${object}:read`] === 'own');
}

/** The less powerful of two roles. */
export function lesserRole(one: Role, other: Role): Role {
  return ROLES.indexOf(one) > ROLES.indexOf(other) ? one : other;
}
