import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  ArrayUnique,
  IsIn,
  IsInt,
  IsString,
  Max,
  MaxLength,
  Min,
  MinLength,
} from 'class-validator';
import { type ObjectName, OBJECTS } from '../common/permissions';
import { Trim } from '../common/validation';

const LIMIT_DEFAULT = 10;
const LIMIT_MAX = 50;

export class SearchQueryDto {
  /**
   * Words, each of which begins a word of the record, in any case and without accents; an email, a
   * domain or the digits of a phone number count as words. 1 to 100 characters; a single one finds the
   * records whose name begins with it.
   */
  @ApiProperty({ minLength: 1, maxLength: 100, example: 'jones' })
  @Trim()
  @IsString()
  @MinLength(1)
  @MaxLength(100)
  q!: string;

  /** Kinds of records to look for, with commas between them; all unless told. */
  @ApiPropertyOptional({
    type: 'string',
    default: OBJECTS.join(','),
    description: 'Kinds of records to look for, with commas between them; all unless told.',
  })
  @Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' ? value.split(',') : value,
  )
  @IsIn(OBJECTS, { each: true })
  @ArrayUnique()
  objects: readonly ObjectName[] = OBJECTS;

  /** How many records to answer at most: 1 to 50, 10 unless told. */
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: LIMIT_MAX, default: LIMIT_DEFAULT })
  @Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value,
  )
  @IsInt()
  @Min(1)
  @Max(LIMIT_MAX)
  limit: number = LIMIT_DEFAULT;
}

/** A record that was found. */
export class HitDto {
  @ApiProperty({ enum: OBJECTS, example: 'contacts' })
  object!: ObjectName;

  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' })
  id!: string;

  /** What a person calls it. */
  @ApiProperty({ example: 'Bob Jones' })
  name!: string;

  /** What tells it from others of the same name, where there is something. */
  @ApiProperty({ type: String, nullable: true, example: 'CTO' })
  subtitle!: string | null;

  /** Its words that begin as those of `q` do, in their order: in lower case and without accents. */
  @ApiProperty({ type: [String], example: ['jones'] })
  matched!: string[];
}
