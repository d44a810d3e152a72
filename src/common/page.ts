import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';

export const PAGE_LIMIT_DEFAULT = 50;
export const PAGE_LIMIT_MAX = 200;

/** Query parameters of every list. */
export class PageQueryDto {
  /** How many records a page has at most: 1 to 200, 50 unless told. */
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: PAGE_LIMIT_MAX,
    default: PAGE_LIMIT_DEFAULT,
  })
  // Only plain digits become a number: '1e2', ' 5' and '0x10' stay strings and are refused.
  @Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value,
  )
  @IsInt()
  @Min(1)
  @Max(PAGE_LIMIT_MAX)
  limit: number = PAGE_LIMIT_DEFAULT;

  /** `meta.next_cursor` of the page before; leave it out for the first page. */
  @ApiPropertyOptional({ description: '`meta.next_cursor` of the page before' })
  @IsOptional()
  @IsString()
  @MaxLength(1024)
  cursor?: string;
}

/** One page of a list. `nextCursor` is null on the last one. */
export class Page<T> {
  constructor(
    readonly items: T[],
    readonly limit: number,
    readonly nextCursor: string | null,
  ) {}

  map<U>(change: (item: T) => U): Page<U> {
    return new Page(this.items.map(change), this.limit, this.nextCursor);
  }
}
