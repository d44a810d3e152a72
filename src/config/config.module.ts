import type { DynamicModule } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import type { AppConfig } from './app-config';

/**
 * Makes a finished configuration injectable everywhere as `ConfigService<AppConfig, true>`. Nothing
 * is read here: the environment was checked before Nest started, and a variable that happens to be
 * called `http` must not shadow ours.
 */
export function configModule(config: AppConfig): Promise<DynamicModule> {
  return ConfigModule.forRoot({
    isGlobal: true,
    ignoreEnvFile: true,
    ignoreEnvVars: true,
    skipProcessEnv: true,
    load: [() => config],
  });
}
