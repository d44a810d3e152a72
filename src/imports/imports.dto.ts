import { ApiProperty, ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { OBJECTS } from '../common/permissions';
import type { Job } from '../jobs/job';
import { JobDto, toJobDto } from '../jobs/jobs.dto';
import { DELIMITERS, ENCODINGS } from './csv-format';
import { DUPLICATES, type ImportInput, MODES } from './import';
import type { SampleRow } from './imports.service';

/** The form; the file is its last part. */
export class ImportFormDto {
  /** The kind of record. */
  @ApiProperty({ enum: OBJECTS, example: 'contacts' })
  object!: string;

  /** Whether rows make records, change those there are, or both. */
  @ApiPropertyOptional({ enum: MODES, default: 'create', example: 'create' })
  mode?: string;

  /**
   * What update and upsert find a record by: `id` (unless told), `email`, `domain`, `custom.<key>` of
   * a unique field, or `external:<source>`.
   */
  @ApiPropertyOptional({ example: null })
  match_by?: string;

  /** What to do with a row whose unique value another record has; `update` is for mode create. */
  @ApiPropertyOptional({ enum: DUPLICATES, default: 'error', example: 'error' })
  duplicates?: string;

  /** JSON: the field of each column, null for none. Guessed from the names of the columns unless told. */
  @ApiPropertyOptional({ example: '{"E-mail":"email"}' })
  mapping?: string;

  /** True: nothing is written; the job counts what would be. */
  @ApiPropertyOptional({ enum: ['true', 'false'], default: 'false', example: 'true' })
  dry_run?: string;

  /** True: an empty cell clears the field of a record that is changed; unless told it says nothing. */
  @ApiPropertyOptional({ enum: ['true', 'false'], default: 'false', example: 'false' })
  clear_empty?: string;

  /** Detected unless told. */
  @ApiPropertyOptional({ enum: DELIMITERS, example: ',' })
  delimiter?: string;

  /** Detected unless told. */
  @ApiPropertyOptional({ enum: ENCODINGS, example: 'utf-8' })
  encoding?: string;

  /** CSV with a line of names; the last part of the form. */
  @ApiProperty({ type: 'string', format: 'binary', example: 'E-mail\r\nbob@example.com\r\n' })
  file!: string;
}

class ImportSettingsDto {
  @ApiProperty({ enum: OBJECTS, example: 'contacts' })
  object!: string;

  @ApiProperty({ enum: MODES, example: 'create' })
  mode!: string;

  /** What records are found by; null where none are looked for. */
  @ApiProperty({ type: String, nullable: true, example: null })
  match_by!: string | null;

  @ApiProperty({ enum: DUPLICATES, example: 'error' })
  duplicates!: string;

  @ApiProperty({ example: false })
  dry_run!: boolean;

  /** Whether an empty cell clears the field of a record that is changed. */
  @ApiProperty({ example: false })
  clear_empty!: boolean;

  @ApiProperty({ type: String, nullable: true, example: 'contacts.csv' })
  file_name!: string | null;

  /** Size of the file. */
  @ApiProperty({ type: 'integer', example: 18204 })
  bytes!: number;

  @ApiProperty({ enum: ENCODINGS, example: 'utf-8' })
  encoding!: string;

  @ApiProperty({ enum: DELIMITERS, example: ',' })
  delimiter!: string;

  /** The field of each column that is imported. */
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    example: { 'E-mail': 'email' },
  })
  mapping!: Record<string, string>;

  /** Columns of an export that only the server writes: they are passed over. */
  @ApiProperty({ type: [String], example: ['created_at'] })
  read_only_columns!: string[];

  /** Columns that are no field, and left out. */
  @ApiProperty({ type: [String], example: ['Shoe size'] })
  unmapped_columns!: string[];
}

export class ImportDto extends IntersectionType(JobDto, ImportSettingsDto) {}

class SampleRowDto {
  /** Where it stands in the file. */
  @ApiProperty({ type: 'integer', example: 2 })
  line!: number;

  /** The row as the body of a request that creates, or in mode update changes, a record. */
  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    example: { emails: [{ value: 'bob@example.com' }] },
  })
  data?: object;

  /** Why it cannot be read. */
  @ApiPropertyOptional({ type: 'object', additionalProperties: true, example: null })
  error?: object;
}

export class AcceptedImportDto extends ImportDto {
  /** The first rows as they are read; whether they are taken is for the job to find out. */
  @ApiProperty({ type: [SampleRowDto] })
  sample!: SampleRow[];
}

export function toImportDto(job: Job): ImportDto {
  const input = job.input as ImportInput;
  const mapped = input.header.map((name, index) => [name, input.fields[index] ?? null] as const);
  return Object.assign(toJobDto(job), {
    object: input.object,
    mode: input.mode,
    match_by: input.matchBy,
    duplicates: input.duplicates,
    dry_run: input.dryRun,
    clear_empty: input.clearEmpty,
    file_name: input.fileName,
    bytes: input.bytes,
    encoding: input.encoding,
    delimiter: input.delimiter,
    mapping: Object.fromEntries(
      mapped.flatMap(([name, field]) => (field === null ? [] : [[name, field]])),
    ),
    read_only_columns: input.readOnly,
    unmapped_columns: mapped
      .filter(([name, field]) => field === null && !input.readOnly.includes(name))
      .map(([name]) => name),
  });
}
