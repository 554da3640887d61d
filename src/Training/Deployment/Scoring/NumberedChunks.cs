namespace Pascl.Training.Deployment.Scoring;

/// <summary>Cuts a sequence of unknown length into chunks that threads take by number, each number once, in any order.</summary>
internal sealed class NumberedChunks<T>(IEnumerable<T> items, int size)
{
    private readonly Lock gate = new();
    private readonly IEnumerator<T[]> chunks = items.Chunk(size).GetEnumerator();
    private readonly Dictionary<int, T[]> early = [];
    private int next;

    /// <summary>The chunk of a number; empty behind the end of the sequence.</summary>
    public T[] Take(int number)
    {
        lock (gate)
        {
            for (; next <= number; next++)
            {
                early.Add(next, chunks.MoveNext() ? chunks.Current : []);
            }

            return early.Remove(number, out var chunk) ? chunk : throw new InvalidOperationException($"Chunk {number} was taken before.");
        }
    }
}
