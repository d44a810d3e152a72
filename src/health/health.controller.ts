import { Controller, Get } from '@nestjs/common';
import { ApiProperty, ApiTags } from '@nestjs/swagger';
import { HealthCheckService, HealthIndicatorService } from '@nestjs/terminus';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import { Endpoint } from '../common/endpoint';

const ping = defineQuery('system.ping', "SELECT key FROM system.local WHERE key = 'local'");

export class HealthDto {
  @ApiProperty({ enum: ['ok'], example: 'ok' })
  status!: 'ok';
}

export class PingDto {
  @ApiProperty({ enum: ['pong'], example: 'pong' })
  message!: 'pong';
}

const OK: HealthDto = { status: 'ok' };

/**
 * Three questions of an orchestrator, kept apart: restart the process only when it is broken
 * itself (live), send it traffic only while it can answer (ready), and leave it alone until it has
 * come up (startup).
 */
@ApiTags('Operations')
@Controller()
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly cassandra: CassandraService,
  ) {}

  @Get('health')
  @Endpoint({
    access: 'public',
    summary: 'Is the service well?',
    description: '200 while the database answers and the process is not shutting down, else 503.',
    returns: HealthDto,
  })
  async summary(): Promise<HealthDto> {
    return this.ready();
  }

  @Get('health/live')
  @Endpoint({
    access: 'public',
    summary: 'Is the process alive?',
    description: 'Touches nothing but the process itself. Restart it when this fails.',
    returns: HealthDto,
  })
  live(): HealthDto {
    return OK;
  }

  @Get('health/ready')
  @Endpoint({
    access: 'public',
    summary: 'Can the process take requests?',
    description: 'Fails while the database is away, and first of all on shutdown.',
    returns: HealthDto,
  })
  async ready(): Promise<HealthDto> {
    // Throws 503 for anything but "up", and from the first moment of a shutdown.
    await this.health.check([
      async () => {
        const database = this.indicators.check('database');
        await this.cassandra.run(ping, {});
        return database.up();
      },
    ]);
    return OK;
  }

  @Get('health/startup')
  @Endpoint({
    access: 'public',
    summary: 'Has the process come up?',
    description:
      'The port opens once the database is connected and at the right schema: any answer is a yes.',
    returns: HealthDto,
  })
  startup(): HealthDto {
    return OK;
  }

  @Get('api/v1/ping')
  @Endpoint({ access: 'public', summary: 'Answer pong', returns: PingDto })
  ping(): PingDto {
    return { message: 'pong' };
  }
}
