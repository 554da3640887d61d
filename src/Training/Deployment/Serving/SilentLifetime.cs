using Microsoft.Extensions.Hosting;

namespace Pascl.Training.Deployment.Serving;

/// <summary>Leaves the signals to the program: the host's own lifetime would listen to Ctrl-C beside it.</summary>
internal sealed class SilentLifetime : IHostLifetime
{
    /// <inheritdoc/>
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
