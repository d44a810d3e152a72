import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { buildMessage, IsString, MaxLength, ValidateBy } from 'class-validator';
import { IsText, Trim } from '../common/validation';
import { IsClearable, IsOptionalButNotNull, NAME_MAX_BYTES } from '../users/users.dto';
import type { Organization } from './organization';

const timeZones = new Set(['UTC', ...Intl.supportedValuesOf('timeZone')]);
const currencies = new Set(Intl.supportedValuesOf('currency'));

function IsKnown(name: string, what: string, known: (value: string) => boolean): PropertyDecorator {
  return ValidateBy({
    name,
    validator: {
      validate: (value: unknown) => typeof value === 'string' && value.length < 64 && known(value),
      defaultMessage: buildMessage((prefix) => `${prefix}$property must be ${what}`),
    },
  });
}

function isLocale(value: string): boolean {
  try {
    return Intl.getCanonicalLocales(value)[0] === value;
  } catch {
    return false;
  }
}

export class OrganizationDto {
  @ApiProperty({ example: 'org_123' })
  id!: string;

  @ApiProperty({ type: String, nullable: true, example: 'Example Ltd' })
  name!: string | null;

  /** IANA name. */
  @ApiProperty({ example: 'Europe/Berlin' })
  time_zone!: string;

  /** ISO 4217. */
  @ApiProperty({ example: 'EUR' })
  currency!: string;

  /** BCP 47. */
  @ApiProperty({ example: 'de-DE' })
  locale!: string;

  @ApiProperty({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' })
  created_at!: Date;
}

export class ChangeOrganizationDto {
  /** Up to 200 bytes; null clears it. */
  @ApiPropertyOptional({ type: String, nullable: true, example: 'Example Ltd' })
  @Trim()
  @IsClearable()
  @IsText({ max: NAME_MAX_BYTES })
  name?: string | null;

  /** IANA name. */
  @ApiPropertyOptional({ example: 'Europe/Berlin' })
  @IsOptionalButNotNull()
  @IsKnown('isTimeZone', 'an IANA time zone such as Europe/Berlin', (value) => timeZones.has(value))
  time_zone?: string;

  /** ISO 4217. */
  @ApiPropertyOptional({ example: 'EUR' })
  @IsOptionalButNotNull()
  @IsKnown('isCurrency', 'an ISO 4217 code such as EUR', (value) => currencies.has(value))
  currency?: string;

  /** BCP 47, in its canonical spelling. */
  @ApiPropertyOptional({ example: 'de-DE' })
  @IsOptionalButNotNull()
  @IsKnown('isLocale', 'a BCP 47 tag such as de-DE', isLocale)
  locale?: string;
}

export class EraseOrganizationDto {
  /** The id of the own organization once more: this cannot be undone. */
  @ApiProperty({ example: 'the id of your organization' })
  @IsString()
  @MaxLength(64)
  confirm!: string;
}

export function toOrganizationDto(organization: Organization): OrganizationDto {
  return {
    id: organization.id,
    name: organization.name,
    time_zone: organization.timeZone,
    currency: organization.currency,
    locale: organization.locale,
    created_at: organization.createdAt,
  };
}
