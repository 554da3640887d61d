using System.Runtime.InteropServices;

namespace Pascl.Training.Cli;

/// <summary>
/// Turns the first signal into a cancelled <see cref="Token"/>, so that the work can stop in good order and save. A second signal acts as
/// if nobody listened: Ctrl-C pressed twice ends the process at once.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource source = new();
    private readonly PosixSignalRegistration[] registrations;

    public Interruption(params PosixSignal[] signals) =>
        registrations = Array.ConvertAll(signals, signal => PosixSignalRegistration.Create(signal, OnSignal));

    public CancellationToken Token => source.Token;

    public void Dispose()
    {
        Array.ForEach(registrations, registration => registration.Dispose());
        source.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        if (!source.IsCancellationRequested)
        {
            context.Cancel = true;
            Console.Error.WriteLine("Stopping; press Ctrl-C again to stop at once.");
            source.Cancel();
        }
    }
}
