import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsNotIn,
  IsOptional,
  IsString,
  Matches,
  ValidateBy,
} from 'class-validator';
import { OBJECTS, type ObjectName } from '../common/permissions';
import { IsText, Trim } from '../common/validation';
import { IsClearable, IsOptionalButNotNull } from '../users/users.dto';
import { type Field, FIELD_KINDS, type FieldKind } from './field';
import type { FieldChange, NewField } from './field-rules';
import { OPTION_MAX, OPTIONS_MAX, text } from './kinds';

/** No body may have these as names of fields, so a record could never have a value there. */
const RESERVED_KEYS = ['constructor', 'prototype'];

const option = text(OPTION_MAX);

/** Distinct texts, each in its one spelling: what is chosen is compared with them. */
function IsOptions(): PropertyDecorator {
  const canonical = Transform(({ value }: { value: unknown }) =>
    Array.isArray(value) ? value.map((one: unknown) => option.safeParse(one).data ?? one) : value,
  );
  const each = ValidateBy(
    {
      name: 'isOption',
      validator: {
        validate: (value: unknown): boolean => option.safeParse(value).success,
        defaultMessage: () =>
          `each of options must be text of 1 to ${String(OPTION_MAX)} characters without control characters`,
      },
    },
    { each: true },
  );
  const decorators = [
    canonical,
    IsArray(),
    ArrayMinSize(1),
    ArrayMaxSize(OPTIONS_MAX),
    ArrayUnique(),
    each,
  ];
  return (target, property) => {
    for (const decorate of decorators) decorate(target, property);
  };
}

export class FieldObjectDto {
  /** The kind of records. */
  @ApiProperty({ enum: OBJECTS, example: 'contacts' })
  @IsString()
  object!: string;
}

export class FieldKeyDto extends FieldObjectDto {
  /** Key of a field of the own organization. */
  @ApiProperty({ example: 'tier' })
  @IsString()
  key!: string;
}

export class FieldsQueryDto {
  /** `true` lists the archived ones, too. */
  @ApiPropertyOptional({ type: Boolean, default: false, example: false })
  @Transform(({ value }: { value: unknown }) =>
    value === 'true' || value === 'false' ? value === 'true' : value,
  )
  @IsBoolean()
  archived: boolean = false;
}

export class ChangeFieldDto {
  /** What people read: 1 to 100 bytes. */
  @ApiPropertyOptional({ example: 'Customer tier' })
  @Trim()
  @IsOptionalButNotNull()
  @IsText({ max: 100 })
  label?: string;

  /** Every record that is created or changed from then on must have a value. */
  @ApiPropertyOptional({ example: true })
  @IsOptionalButNotNull()
  @IsBoolean()
  required?: boolean;

  /** All options, in their order: new ones can be added, and none may be missing. */
  @ApiPropertyOptional({ type: [String], example: ['gold', 'silver', 'bronze'] })
  @IsOptionalButNotNull()
  @IsOptions()
  options?: string[];
}

export class CreateFieldDto {
  /** The name in `custom`, for good: a lower-case letter, then up to 39 of letters, digits and `_`. */
  @ApiProperty({ pattern: '^[a-z][a-z0-9_]{0,39}$', example: 'tier' })
  @Matches(/^[a-z][a-z0-9_]{0,39}$/, {
    message: '$property must be a lower-case letter and up to 39 of a-z, 0-9 and _',
  })
  @IsNotIn(RESERVED_KEYS, { message: '$property must be another name: this one is reserved' })
  key!: string;

  /** What people read: 1 to 100 bytes. */
  @ApiProperty({ example: 'Tier' })
  @Trim()
  @IsText({ max: 100 })
  label!: string;

  /** What values it has, for good. */
  @ApiProperty({ enum: FIELD_KINDS, example: 'select' })
  @IsIn(FIELD_KINDS)
  kind!: FieldKind;

  /** Every record that is created or changed from now on must have a value. */
  @ApiPropertyOptional({ type: Boolean, default: false, example: false })
  @IsBoolean()
  required: boolean = false;

  /** No two live records have the same value. For text, number, email, phone and url; for good. */
  @ApiPropertyOptional({ type: Boolean, default: false, example: false })
  @IsBoolean()
  unique: boolean = false;

  /** Lists can be filtered and sorted by it. For every kind but money; for good; 30 of a kind of record at most. */
  @ApiPropertyOptional({ type: Boolean, default: false, example: true })
  @IsBoolean()
  indexed: boolean = false;

  /** For select and multi_select: 1 to 200 different texts of 1 to 100 characters. */
  @ApiPropertyOptional({ type: [String], nullable: true, example: ['gold', 'silver'] })
  @IsClearable()
  @IsOptions()
  options?: string[] | null;

  /** For reference: the kind of record it leads to, for good. */
  @ApiPropertyOptional({ type: String, enum: OBJECTS, nullable: true, example: null })
  @IsOptional()
  @IsIn(OBJECTS)
  reference_to?: ObjectName | null;
}

export class FieldDto {
  @ApiProperty({ enum: OBJECTS, example: 'contacts' })
  object!: string;

  @ApiProperty({ example: 'tier' })
  key!: string;

  @ApiProperty({ example: 'Tier' })
  label!: string;

  @ApiProperty({ enum: FIELD_KINDS, example: 'select' })
  kind!: FieldKind;

  @ApiProperty({ example: false })
  required!: boolean;

  @ApiProperty({ example: false })
  unique!: boolean;

  @ApiProperty({ example: true })
  indexed!: boolean;

  /** Empty for kinds that have none. */
  @ApiProperty({ type: [String], example: ['gold', 'silver'] })
  options!: string[];

  @ApiProperty({ type: String, enum: OBJECTS, nullable: true, example: null })
  reference_to!: string | null;

  /** Out of use: no record can be given a value. */
  @ApiProperty({ example: false })
  archived!: boolean;

  @ApiProperty({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' })
  created_at!: Date;

  @ApiProperty({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' })
  updated_at!: Date;
}

export function toNewField(body: CreateFieldDto): NewField {
  const { options, reference_to: referenceTo, ...rest } = body;
  return { ...rest, options: options ?? [], referenceTo: referenceTo ?? null };
}

export function toFieldChange({ label, required, options }: ChangeFieldDto): FieldChange {
  return { label, required, options };
}

export function toFieldDto(field: Field): FieldDto {
  return {
    object: field.object,
    key: field.key,
    label: field.label,
    kind: field.kind,
    required: field.required,
    unique: field.unique,
    indexed: field.indexed,
    options: field.options,
    reference_to: field.referenceTo,
    archived: field.archived,
    created_at: field.createdAt,
    updated_at: field.updatedAt,
  };
}
