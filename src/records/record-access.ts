import { AppError } from '../common/errors';
import { scopeOf } from '../common/permissions';
import type { Principal } from '../common/principal';
import type { RecordData, StoredRecord } from './record';
import { ownersOf, permissionOn, type RecordDefinition } from './record-definition';
import { ALL, ownerScope } from './scopes';

/** Which records a caller reaches in one way: none, those he owns, or all. */
export function reachOf(
  caller: Principal,
  definition: RecordDefinition,
  action: 'read' | 'create' | 'update' | 'delete',
) {
  return scopeOf(caller, permissionOn(definition, action));
}

/** The scope whose lists hold what a caller may read, if he may read any. */
export function readScope(caller: Principal, definition: RecordDefinition): string {
  return reachOf(caller, definition, 'read') === 'all' ? ALL : ownerScope(caller.userId);
}

function reaches(
  caller: Principal,
  definition: RecordDefinition,
  action: 'read' | 'create' | 'update' | 'delete',
  data: RecordData,
): boolean {
  const reach = reachOf(caller, definition, action);
  return reach === 'all' || (reach === 'own' && ownersOf(definition, data).includes(caller.userId));
}

export function canRead(
  caller: Principal,
  definition: RecordDefinition,
  record: StoredRecord,
): boolean {
  return reaches(caller, definition, 'read', record.data);
}

/** @throws AppError FORBIDDEN for a record that the caller may see, but not touch in this way */
export function demand(
  caller: Principal,
  definition: RecordDefinition,
  action: 'create' | 'update' | 'delete',
  data: RecordData,
): void {
  if (reaches(caller, definition, action, data)) return;
  const permission = permissionOn(definition, action);
  throw new AppError('FORBIDDEN', { details: { permission } });
}
