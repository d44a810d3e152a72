import { ApiProperty } from '@nestjs/swagger';
import { IsString, MaxLength } from 'class-validator';

export class EraseContactDto {
  /** The id of the contact once more: there is no way back. */
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' })
  @IsString()
  @MaxLength(36)
  confirm!: string;
}

export class ErasedCountsDto {
  /** The contact, those merged into it, and activities that were about them alone. */
  @ApiProperty({ type: 'integer', example: 3 })
  records!: number;

  /** Versions in their histories. */
  @ApiProperty({ type: 'integer', example: 7 })
  events!: number;

  /** Places in lists and under the words they were found by. */
  @ApiProperty({ type: 'integer', example: 42 })
  list_rows!: number;

  /** What they added to totals. */
  @ApiProperty({ type: 'integer', example: 0 })
  total_rows!: number;

  /** Records that referred to the contact, and do not any more. */
  @ApiProperty({ type: 'integer', example: 1 })
  references!: number;
}

/** What was erased, when and by whom; nothing of whom it was. */
export class ErasureProofDto {
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' })
  contact_id!: string;

  @ApiProperty({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' })
  erased_at!: string;

  /** The user who had it erased. */
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c12' })
  erased_by!: string;

  /** By this request; an earlier one that was cut off may have removed the rest. */
  @ApiProperty({ type: ErasedCountsDto })
  removed!: ErasedCountsDto;

  /** SHA-256, in hex, of the JSON of all of the above; the audit has it, too. */
  @ApiProperty({ example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' })
  digest!: string;
}

/** Everything that is known of a contact. */
export class ContactDataDto {
  /** The contact itself, in whatever state, as it is answered elsewhere. */
  @ApiProperty({ type: 'object', additionalProperties: true, example: {} })
  contact!: Record<string, unknown>;

  /** Its versions, newest first. */
  @ApiProperty({ type: 'array', items: { type: 'object' }, example: [] })
  history!: object[];

  /** The contacts that were merged into it, each with its history. */
  @ApiProperty({ type: 'array', items: { type: 'object' }, example: [] })
  merged!: object[];

  /** The activities that are linked to it, newest first. */
  @ApiProperty({ type: 'array', items: { type: 'object' }, example: [] })
  activities!: object[];

  /** The deals that it has a part in, newest first. */
  @ApiProperty({ type: 'array', items: { type: 'object' }, example: [] })
  deals!: object[];
}
