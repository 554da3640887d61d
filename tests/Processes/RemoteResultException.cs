using NUnit.Framework.Interfaces;

namespace Pascl.Tests.Processes;

/// <summary>The result of a test as a worker found it, with the stack trace from there.</summary>
#pragma warning disable CA1064, CA1032 // Thrown to NUnit alone, which catches it by its base.
internal sealed class RemoteResultException(WorkerResult result) : ResultStateException(result.Message ?? "")
{
    public override ResultState ResultState { get; } = new(result.Status, result.Label, result.Site);

    public override string? StackTrace => result.StackTrace;
}
