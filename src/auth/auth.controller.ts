import { Body, Controller, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Endpoint } from '../common/endpoint';
import { Caller, CallerIfAny, type Principal } from '../common/principal';
import { LoginDto, RefreshDto, RegisterDto, SignInDto, toSignInDto } from './auth.dto';
import { AuthService } from './auth.service';

@ApiTags('Sign-in')
@Controller('api/auth')
export class AuthController {
  constructor(private readonly auth: AuthService) {}

  @Post('register')
  @Endpoint({
    access: 'optional',
    summary: 'Register a user',
    description:
      'Without a token: creates a new organization, and the user is its admin whatever `role` says. ' +
      'With the token of an admin: adds a user to his organization, and the answer has no tokens.',
    status: 201,
    returns: SignInDto,
    errors: ['FORBIDDEN', 'INVITATION_REQUIRED', 'REGISTRATION_CLOSED', 'EMAIL_TAKEN', 'CONFLICT'],
  })
  async register(
    @CallerIfAny() caller: Principal | undefined,
    @Body() body: RegisterDto,
  ): Promise<SignInDto> {
    return toSignInDto(await this.auth.register(caller, body));
  }

  @Post('login')
  @Endpoint({
    access: 'public',
    summary: 'Sign in with email and password',
    returns: SignInDto,
    errors: ['INVALID_CREDENTIALS'],
  })
  async login(@Body() body: LoginDto): Promise<SignInDto> {
    return toSignInDto(await this.auth.login(body));
  }

  @Post('refresh')
  @Endpoint({
    access: 'public',
    summary: 'Trade a refresh token for new tokens',
    description:
      'A refresh token is good once; the session ends 30 days after its sign-in at the latest.',
    returns: SignInDto,
    errors: ['UNAUTHENTICATED'],
  })
  async refresh(@Body() body: RefreshDto): Promise<SignInDto> {
    return toSignInDto(await this.auth.refresh(body.refresh_token));
  }

  @Post('logout')
  @Endpoint({
    access: 'self:update',
    summary: 'End the session of the token',
    description: 'Its access token and its refresh token stop working at once.',
    status: 204,
  })
  async logout(@Caller() caller: Principal): Promise<void> {
    await this.auth.logout(caller);
  }
}
