import { Body, Controller } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Endpoint } from '../common/endpoint';
import { Caller, CallerIfAny, type Principal } from '../common/principal';
import { Post } from '../idempotency/write-routes';
import {
  ChangePasswordDto,
  ForgotPasswordDto,
  LoginDto,
  RefreshDto,
  RegisterDto,
  ResetPasswordDto,
  SignInDto,
  toSignInDto,
} from './auth.dto';
import { AuthService } from './auth.service';
import { FromDevice } from './device.decorator';
import { PasswordResetService } from './password-reset.service';
import type { Device } from './session';
import { SessionsService } from './sessions.service';

@ApiTags('Sign-in')
@Controller('api/auth')
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly sessions: SessionsService,
    private readonly resets: PasswordResetService,
  ) {}

  @Post('register')
  @Endpoint({
    access: 'optional',
    summary: 'Register a user',
    description:
      'Without a token: creates a new organization, and the user is its admin whatever `role` says. ' +
      'With the token of an admin: adds a user to his organization, and the answer has no tokens. ' +
      'With an `invitation_token`: the user joins with the email and the role of the invitation.',
    status: 201,
    returns: SignInDto,
    errors: ['FORBIDDEN', 'INVITATION_REQUIRED', 'REGISTRATION_CLOSED', 'EMAIL_TAKEN', 'CONFLICT'],
  })
  async register(
    @CallerIfAny() caller: Principal | undefined,
    @Body() body: RegisterDto,
    @FromDevice() device: Device,
  ): Promise<SignInDto> {
    return toSignInDto(await this.auth.register(caller, body, device));
  }

  @Post('login')
  @Endpoint({
    access: 'public',
    summary: 'Sign in with email and password',
    returns: SignInDto,
    errors: ['INVALID_CREDENTIALS', 'FORBIDDEN', 'TOO_MANY_ATTEMPTS'],
  })
  async login(@Body() body: LoginDto, @FromDevice() device: Device): Promise<SignInDto> {
    return toSignInDto(await this.auth.login(body, device));
  }

  @Post('refresh')
  @Endpoint({
    access: 'public',
    summary: 'Trade a refresh token for new tokens',
    description:
      'A refresh token is good once; for a few seconds more it gets the same answer again. Used later ' +
      'than that, it ends the session. A session ends 30 days after its sign-in at the latest.',
    returns: SignInDto,
    errors: ['UNAUTHENTICATED'],
  })
  async refresh(@Body() body: RefreshDto, @FromDevice() device: Device): Promise<SignInDto> {
    return toSignInDto(await this.sessions.refresh(body.refresh_token, device));
  }

  @Post('logout')
  @Endpoint({
    access: 'self:update',
    summary: 'End the session of the token',
    description: 'Its access token and its refresh token stop working at once.',
    status: 204,
  })
  async logout(@Caller() caller: Principal): Promise<void> {
    await this.sessions.end(caller, caller.sessionId ?? '');
  }

  @Post('password/forgot')
  @Endpoint({
    access: 'public',
    summary: 'Ask for a link to set a new password',
    description: 'Answers 202 whether there is such a user or not. The link is good for an hour.',
    status: 202,
  })
  async forgotPassword(
    @Body() body: ForgotPasswordDto,
    @FromDevice() device: Device,
  ): Promise<void> {
    await this.resets.request(body.organization_id, body.email, device);
  }

  @Post('password/reset')
  @Endpoint({
    access: 'public',
    summary: 'Set a new password by the token of such a link',
    description: 'The token is good once. Every session of the user ends.',
    status: 204,
    errors: ['INVALID_CREDENTIALS', 'CONFLICT'],
  })
  async resetPassword(@Body() body: ResetPasswordDto, @FromDevice() device: Device): Promise<void> {
    const { organization_id: organizationId, token, new_password: password } = body;
    await this.resets.complete(organizationId, token, password, device);
  }

  @Post('password')
  @Endpoint({
    access: 'self:update',
    summary: 'Change the own password',
    description: 'Ends every other session of the user at once; the one of the token goes on.',
    status: 204,
    errors: ['INVALID_CREDENTIALS', 'TOO_MANY_ATTEMPTS', 'CONFLICT'],
  })
  async changePassword(
    @Caller() caller: Principal,
    @Body() body: ChangePasswordDto,
  ): Promise<void> {
    await this.auth.changePassword(caller, body);
  }
}
